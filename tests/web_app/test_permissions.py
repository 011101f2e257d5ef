"""Who may do what. Each sentence is one rule."""

import datetime

import pytest
from django.utils import timezone

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey
from web_app.audit.record import COMMAND
from web_app.collections import policies
from web_app.collections.models import Collection, Membership
from web_app.grants.models import Grant

pytestmark = pytest.mark.django_db


def asked(response):
    return response.status_code, response.json().get("code")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "uploads"),
        ("post", "uploads"),
        ("get", "uploads/019ab0c0-0000-7000-8000-000000000001"),
        ("delete", "uploads/019ab0c0-0000-7000-8000-000000000001"),
        ("get", "uploads/019ab0c0-0000-7000-8000-000000000001/receipt"),
        ("post", "receipts"),
        ("get", "collections"),
    ],
)
def test_nobody_is_asked_to_sign_in(browser, method, path):
    response = getattr(browser(), method)(f"/api/v1/{path}", content_type="application/json")
    assert asked(response) == (401, "not_signed_in")
    assert response["WWW-Authenticate"] == "Bearer"


def test_stranger_may_not_upload_to_a_collection(key_api, stranger, collection):
    response = key_api(stranger).post("uploads", {"collection": collection.slug})
    assert asked(response) == (403, "collection_forbidden")
    assert not Grant.objects.exists()


def test_unknown_collection_looks_like_a_forbidden_one(key_api, stranger, collection):
    api = key_api(stranger)
    forbidden, unknown = api.post("uploads", {"collection": collection.slug}), api.post("uploads", {"collection": "no"})
    assert (forbidden.status_code, forbidden.content) == (unknown.status_code, unknown.content)


def test_limits_of_a_forbidden_collection_are_not_told_either(key_api, stranger, collection):
    response = key_api(stranger).post("uploads", {"collection": collection.slug, "size": 10**15})
    assert asked(response) == (403, "collection_forbidden")


def test_member_without_the_right_to_upload_may_not(key_api, person, collection):
    Membership.objects.update(may_upload=False)
    assert asked(key_api(person).post("uploads", {"collection": collection.slug})) == (403, "collection_forbidden")


def test_nobody_uploads_to_a_collection_that_is_closed(key_api, person, collection):
    Collection.objects.update(active=False)
    assert asked(key_api(person).post("uploads", {"collection": collection.slug})) == (403, "collection_forbidden")


def test_operator_without_membership_may_not_upload(operator, collection):
    assert not policies.may_upload(operator, collection)


def test_member_may_upload(person, collection):
    assert policies.may_upload(person, collection)


def test_closed_account_may_not_upload(person, collection):
    person.is_active = False
    assert not policies.may_upload(person, collection)


def test_list_of_collections_shows_only_those_open_to_the_caller(key_api, person, stranger, collection):
    Collection.objects.create(slug="secret-study", title="Secret")
    assert [one["collection"] for one in key_api(person).get("collections").json()["collections"]] == ["mri-2026"]
    assert key_api(stranger).get("collections").json() == {"collections": []}


def test_list_of_collections_names_their_limits(key_api, person, collection):
    assert key_api(person).get("collections").json()["collections"] == [
        {
            "collection": "mri-2026",
            "title": "MRI 2026",
            "max_size": 1000,
            "media_types": [],
            "max_uploads": 1,
            "start_within": 900,
            "valid_for": 86400,
            "unpack_folders": False,
            "quotas": [],
        }
    ]


def test_list_never_shows_another_persons_grants(key_api, stranger, operator, grant):
    assert key_api(stranger).get("uploads").json()["uploads"] == []
    assert key_api(operator).get("uploads").json()["uploads"] == []


@pytest.mark.parametrize(("method", "tail"), [("get", ""), ("delete", ""), ("get", "/receipt")])
def test_another_persons_grant_looks_like_none(page_api, stranger, grant, method, tail):
    api = page_api(stranger)
    theirs = getattr(api, method)(f"uploads/{grant.id}{tail}")
    nobodys = getattr(api, method)(f"uploads/019ab0c0-0000-7000-8000-000000000009{tail}")
    assert asked(theirs) == (404, "not_found")
    assert theirs.content == nobodys.content
    grant.refresh_from_db()
    assert grant.state == "issued"


def test_session_without_csrf_token_is_refused(browser, person, collection):
    response = browser(person).post("/api/v1/uploads", '{"collection": "mri-2026"}', content_type="application/json")
    assert asked(response) == (403, "csrf_failed")
    assert not Grant.objects.exists()


def test_session_with_csrf_token_from_another_site_is_refused(page_api, person, collection):
    api = page_api(person)
    api.headers = {**api.headers, "Origin": "https://evil.example"}
    assert asked(api.post("uploads", {"collection": "mri-2026"})) == (403, "csrf_failed")


def test_api_key_needs_no_csrf_token(key_api, person, collection):
    assert key_api(person).post("uploads", {"collection": "mri-2026"}).status_code == 201


def test_bad_api_key_is_refused_even_beside_a_good_session(page_api, person, collection):
    api = page_api(person)
    api.headers = {**api.headers, "Authorization": "Bearer slk_aaaaaaaaaaaa_" + "a" * 43}
    assert asked(api.get("uploads")) == (401, "api_key_refused")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer x", "Bearer slk_short_key", "bearer slk__"])
def test_authorization_that_is_no_api_key_is_refused(browser, person, header):
    response = browser(person).get("/api/v1/uploads", headers={"Authorization": header})
    assert asked(response) == (401, "api_key_refused")


def _refused(browser, text):
    response = browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {text}"})
    return asked(response) == (401, "api_key_refused")


def _key(person, expires_at=None):
    return api_keys.create(person, label="", expires_at=expires_at, who=COMMAND)


def test_wrong_secret_under_a_known_prefix_is_refused(browser, person):
    _, text = _key(person)
    assert not _refused(browser, text)
    assert _refused(browser, text[:-1] + ("A" if text[-1] != "A" else "B"))


def test_revoked_api_key_is_refused(browser, person):
    key, text = _key(person)
    api_keys.revoke(key, who=COMMAND)
    assert _refused(browser, text)


def test_expired_api_key_is_refused(browser, person):
    _, text = _key(person, expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert _refused(browser, text)


def test_api_key_of_a_closed_account_is_refused(browser, person):
    _, text = _key(person)
    person.is_active = False
    person.save()
    assert _refused(browser, text)


def test_api_key_opens_no_page(browser, operator):
    _, text = _key(operator)
    response = browser().get("/admin/", headers={"Authorization": f"Bearer {text}"}, follow=True)
    assert [status for _, status in response.redirect_chain] == [302, 302]
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_of_an_api_key_only_a_digest_is_kept(person):
    _, text = _key(person)
    stored = ApiKey.objects.values_list("prefix", "secret_sha256").get()
    secret = text.removeprefix("slk_").split("_", 1)[1]
    assert len(secret) == 43
    assert secret not in str(stored)
