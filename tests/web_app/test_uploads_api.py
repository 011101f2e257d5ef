"""POST, GET and DELETE /api/v1/uploads."""

import base64
import datetime
import hashlib
import json

import pytest
from django.utils import timezone

from web_app.audit.record import COMMAND
from web_app.grants import actions
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State

pytestmark = pytest.mark.django_db


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_member_gets_a_grant_with_token_and_urls(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026", "size": 100, "sha256": "ab" * 32})
    body = response.json()
    assert response.status_code == 201
    assert set(body) == {
        "id", "state", "collection", "token", "upload_url", "bearer_url", "start_by", "expires_at", "max_size",
        "max_uploads", "media_types",
    }  # fmt: skip
    assert body["state"] == "issued"
    assert body["upload_url"] == f"https://localhost:8443/u/{body['token']}"
    assert body["bearer_url"] == "https://localhost:8443/u"
    assert body["max_size"] == 1000


def test_token_says_what_the_grant_and_its_collection_say(key_api, person, collection, settings):
    collection.media_types, collection.max_uploads = ["image/*"], 3
    collection.save()
    body = key_api(person).post("uploads", {"collection": "mri-2026", "size": 100, "sha256": "ab" * 32}).json()
    claims = claims_of(body["token"])
    assert claims == {
        "iss": settings.TOKEN_ISSUER,
        "aud": settings.TOKEN_AUDIENCE,
        "iat": claims["iat"],
        "nbf": claims["iat"],
        "jti": body["id"],
        "sub": person.uploader_id,
        "start_by": claims["iat"] + 900,
        "exp": claims["iat"] + 86400,
        "collection": "mri-2026",
        "max_size": 1000,
        "max_uploads": 3,
        "length": 100,
        "sha256": "ab" * 32,
        "media_types": ["image/*"],
    }
    assert datetime.datetime.fromisoformat(body["expires_at"]).timestamp() == claims["exp"]
    assert datetime.datetime.fromisoformat(body["start_by"]).timestamp() == claims["start_by"]


@pytest.mark.parametrize(("asked", "granted"), [(None, 3), (1, 1), (3, 3)])
def test_a_grant_is_good_for_as_many_uploads_as_asked_for_or_allowed(key_api, person, collection, asked, granted):
    collection.max_uploads = 3
    collection.save()
    body = key_api(person).post("uploads", {"collection": "mri-2026", "max_uploads": asked}).json()
    assert (body["max_uploads"], claims_of(body["token"])["max_uploads"]) == (granted, granted)
    collection.max_uploads = 1
    collection.save()
    path, fields = f"uploads/{body['id']}/token", {"upload_id": "019abcde-0000-7000-8000-00000000a001"}
    renewed = key_api(person).post(path, fields).json()
    assert claims_of(renewed["token"])["max_uploads"] == 1, "a lowered limit counts at renewal"


def test_more_uploads_than_the_collection_allows_are_refused_with_both_numbers(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026", "max_uploads": 2})
    assert (response.status_code, response.json()["code"]) == (403, "uploads_over_limit")
    assert "1" in response.json()["detail"] and "2" in response.json()["detail"]
    assert not Grant.objects.exists()


def test_token_names_nobody(key_api, person, collection):
    token = key_api(person).post("uploads", {"collection": "mri-2026"}).json()["token"]
    assert person.username not in json.dumps(claims_of(token))


def test_token_of_a_browser_is_bound_to_a_cookie_that_scripts_cannot_read(page_api, person, collection):
    response = page_api(person).post("uploads", {"collection": "mri-2026"})
    cookie = response.cookies["__Host-sluice-binding"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(cookie.value.encode()).digest()).rstrip(b"=").decode()
    assert claims_of(response.json()["token"])["cnf"] == {"cookie_sha256": digest}
    assert len(cookie.value) == 43
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")
    assert cookie["max-age"] == 48 * 3600
    assert not cookie["domain"]


def test_browser_keeps_its_binding_over_several_grants(page_api, person, collection):
    api = page_api(person)
    first, second = (api.post("uploads", {"collection": "mri-2026"}) for _ in range(2))
    assert first.cookies["__Host-sluice-binding"].value == second.cookies["__Host-sluice-binding"].value


def test_damaged_binding_is_replaced(page_api, person, collection):
    api = page_api(person)
    api.client.cookies["__Host-sluice-binding"] = "short"
    assert len(api.post("uploads", {"collection": "mri-2026"}).cookies["__Host-sluice-binding"].value) == 43


def test_token_of_a_script_is_bound_to_no_cookie(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026"})
    assert "cnf" not in claims_of(response.json()["token"])
    assert not response.cookies


def test_token_is_kept_nowhere(key_api, person, collection):
    token = key_api(person).post("uploads", {"collection": "mri-2026"}).json()["token"]
    stored = json.dumps(list(Grant.objects.values()), default=str)
    assert token.split(".")[2] not in stored


def test_later_views_of_a_grant_have_exactly_the_documented_fields(key_api, person, grant):
    expected = {
        "id", "state", "collection", "size", "sha256", "media_type", "created_at", "completed_at", "expires_at",
        "upload_id", "receipt_url", "max_uploads", "uploads", "earlier", "revocation", "end",
    }  # fmt: skip
    api = key_api(person)
    one = api.get(f"uploads/{grant.id}").json()
    assert set(one) == expected
    assert one["state"] == "issued"
    assert [one[name] for name in ("size", "sha256", "media_type", "completed_at", "upload_id", "receipt_url")] == [
        None
    ] * 6
    assert (one["max_uploads"], one["uploads"]) == (1, [])
    assert api.get("uploads").json() == {"uploads": [one], "next": None}


def test_list_runs_newest_first_in_pages(key_api, person, collection):
    api = key_api(person)
    ids = [api.post("uploads", {"collection": "mri-2026"}).json()["id"] for _ in range(5)]
    newest_first = [str(one) for one in sorted(Grant.objects.values_list("id", flat=True), reverse=True)]
    assert set(newest_first) == set(ids)
    first = api.get("uploads?limit=2").json()
    second = api.get(f"uploads?limit=2&before={first['next']}").json()
    third = api.get(f"uploads?limit=2&before={second['next']}").json()
    seen = [one["id"] for page in (first, second, third) for one in page["uploads"]]
    assert seen == newest_first
    assert third["next"] is None


def test_list_can_be_narrowed_down_to_a_collection_and_to_sizes_of_what_is_stored(key_api, person, grant, receipt_for):
    actions.complete(receipt_for(grant), uploader=person, who=COMMAND)
    size = StoredUpload.objects.get().size
    key_api(person).post("uploads", {"collection": "mri-2026", "size": size})
    for query, expected in {
        f"stored_size=7,{size}": [str(grant.id)],
        f"collection=mri-2026&stored_size={size}": [str(grant.id)],
        f"collection=another&stored_size={size}": [],
        f"stored_size={size + 1}": [],
    }.items():
        assert [each["id"] for each in key_api(person).get(f"uploads?{query}").json()["uploads"]] == expected, query


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=x", "limit=-1", "limit=%C2%B2", "limit=", "limit=01009999", "limit=0001" + "0" * 3000),
        *("before=x", "stored_size=1,x", "stored_size="),
    ],
)
def test_senseless_page_is_refused(key_api, person, query):
    response = key_api(person).get(f"uploads?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "request_malformed")


def test_delete_cancels_and_a_second_delete_changes_nothing(page_api, person, grant):
    api = page_api(person)
    assert api.delete(f"uploads/{grant.id}").json()["state"] == "cancelled"
    assert api.delete(f"uploads/{grant.id}").status_code == 200
    grant.refresh_from_db()
    assert grant.state == State.CANCELLED


def test_complete_upload_cannot_be_cancelled(page_api, person, grant):
    Grant.objects.filter(pk=grant.pk).update(state=State.COMPLETE)
    response = page_api(person).delete(f"uploads/{grant.id}")
    assert (response.status_code, response.json()["code"]) == (409, "already_complete")


def test_grant_past_its_end_is_shown_as_expired(key_api, person, grant):
    Grant.objects.filter(pk=grant.pk).update(expires_at=timezone.now())
    assert key_api(person).get(f"uploads/{grant.id}").json()["state"] == "expired"


def test_size_over_the_limit_is_refused_with_both_numbers(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026", "size": 1001})
    assert (response.status_code, response.json()["code"]) == (413, "size_over_limit")
    assert "1000" in response.json()["detail"]
    assert "1001" in response.json()["detail"]
    assert not Grant.objects.exists()


def test_size_at_the_limit_is_granted(key_api, person, collection):
    assert key_api(person).post("uploads", {"collection": "mri-2026", "size": 1000}).status_code == 201


def test_file_name_cannot_be_slipped_in(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026", "filename": "Jane-Doe.zip"})
    assert (response.status_code, response.json()["code"]) == (400, "request_malformed")
    assert not Grant.objects.exists()


def test_refusal_does_not_repeat_what_was_sent(key_api, person, collection):
    response = key_api(person).post("uploads", {"collection": "mri-2026", "Jane-Doe.zip": 1})
    assert response.status_code == 400
    assert b"Jane" not in response.content


@pytest.mark.parametrize(
    "body",
    [
        " ",
        "{",
        "[]",
        "null",
        "{}",
        '{"collection": 1}',
        '{"collection": null}',
        '{"collection": "mri-2026", "size": "1"}',
        '{"collection": "mri-2026", "size": 1.5}',
        '{"collection": "mri-2026", "size": true}',
        '{"collection": "mri-2026", "size": -1}',
        '{"collection": "mri-2026", "size": 9223372036854775808}',
        '{"collection": "mri-2026", "size": NaN}',
        '{"collection": "mri-2026", "max_uploads": 0}',
        '{"collection": "mri-2026", "max_uploads": "1"}',
        '{"collection": "mri-2026", "sha256": "AB"}',
        '{"collection": "mri-2026", "collection": "mri-2026"}',
        b'{"collection": "\xff"}',
        '{"collection": "mri\\u0000"}',
        '{"collection": "mri\\ud800"}',
        "[" * 8000,
    ],
)
def test_malformed_json_is_refused(key_api, person, collection, body):
    response = key_api(person).post("uploads", body)
    assert (response.status_code, response.json()["code"]) == (400, "request_malformed")


def test_null_is_as_good_as_absent_for_an_optional_field(key_api, person, collection):
    body = {"collection": "mri-2026", "size": None, "sha256": None}
    assert key_api(person).post("uploads", body).status_code == 201


@pytest.mark.parametrize(("written", "status"), [("1e2", 201), ("100.0", 201), ("1.5", 400), ("1e400", 400), ("true", 400), ("1e300", 400)])
def test_a_whole_number_is_one_however_it_is_written(key_api, person, collection, written, status):
    answer = key_api(person).post("uploads", f'{{"collection": "mri-2026", "size": {written}}}')
    assert answer.status_code == status
    assert [grant.declared_size for grant in person.grants.all()] == [100] * (status == 201)


def test_other_types_than_json_are_refused(key_api, person, collection):
    response = key_api(person).post("uploads", '{"collection": "mri-2026"}', content_type="text/plain")
    assert (response.status_code, response.json()["code"]) == (415, "json_required")


def test_problem_is_an_rfc_9457_problem(key_api, person):
    response = key_api(person).post("uploads", "{")
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["type"] == "urn:problem-type:sluice:request_malformed"
    assert body["status"] == 400


def test_wrong_method_names_the_right_ones(key_api, person, grant):
    response = key_api(person).client.put("/api/v1/uploads", headers={"Authorization": ""})
    assert response.status_code == 401
    api = key_api(person)
    response = api.client.put("/api/v1/uploads", "{}", content_type="application/json", headers=api.headers)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["nothing", "uploads/", "uploads/x", "uploads/x/receipt"])
def test_unknown_path_under_the_api_is_a_problem(key_api, person, path):
    response = key_api(person).get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_answers_are_not_stored_by_caches(key_api, person, grant):
    api = key_api(person)
    assert api.get("uploads")["Cache-Control"] == "no-store"
    assert api.get("nothing")["Cache-Control"] == "no-store"
    assert api.post("uploads", {"collection": "mri-2026"})["Cache-Control"] == "no-store"


def test_a_collection_may_have_bounds_of_its_own_for_each_person(key_api, person, stranger, collection):
    from web_app.collections.models import Collection, Membership

    Membership.objects.create(user=stranger, collection=collection)
    Membership.objects.create(user=person, collection=Collection.objects.create(slug="ct-2026", title="CT"))
    Collection.objects.filter(slug="mri-2026").update(grants_open=1, unfinished=3, staged=5000)
    api = key_api(person)
    first = api.post("uploads", {"collection": "mri-2026"}).json()
    claims = claims_of(first["token"])
    assert (claims["max_unfinished"], claims["max_staged"]) == (3, 5000)
    refused = api.post("uploads", {"collection": "mri-2026"})
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "too_many_grants_here", "60")
    elsewhere = api.post("uploads", {"collection": "ct-2026"})
    assert elsewhere.status_code == 201 and "max_staged" not in claims_of(elsewhere.json()["token"])
    assert key_api(stranger).post("uploads", {"collection": "mri-2026"}).status_code == 201
    renewed = api.post(f"uploads/{first['id']}/token", {"upload_id": "019abcde-0000-7000-8000-00000000a001"})
    assert claims_of(renewed.json()["token"])["max_unfinished"] == 3, "what is open already is not one more"


def test_the_token_says_whether_its_collection_unpacks_folders(key_api, person, collection):
    api = key_api(person)
    assert "unpack_folders" not in claims_of(api.post("uploads", {"collection": "mri-2026"}).json()["token"])
    type(collection).objects.update(unpack_folders=True)
    grant = api.post("uploads", {"collection": "mri-2026"}).json()
    renewed = api.post(f"uploads/{grant['id']}/token", {"upload_id": "019abcde-0000-7000-8000-00000000a001"}).json()
    assert claims_of(grant["token"])["unpack_folders"] is True and claims_of(renewed["token"])["unpack_folders"] is True


def test_one_person_has_so_many_grants_open_and_another_is_not_touched(key_api, person, stranger, collection, settings):
    from web_app.collections.models import Membership

    settings.GRANTS_OPEN_MAX = 2
    Membership.objects.create(user=stranger, collection=collection)
    api = key_api(person)
    first = api.post("uploads", {"collection": "mri-2026"}).json()["id"]
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201
    refused = api.post("uploads", {"collection": "mri-2026"})
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "too_many_grants", "60")
    assert key_api(stranger).post("uploads", {"collection": "mri-2026"}).status_code == 201
    api.delete(f"uploads/{first}")
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201
    Grant.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201
