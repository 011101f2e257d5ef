"""The page on which people see, make and end their own API keys."""

import datetime
import re
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from tests.web_app.conftest import just_signed_in
from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.grants.models import Grant, Revocation

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def desk(browser):
    """A browser of somebody who has just typed the password; `post(path, **fields)` sends a form of our page."""

    def make(user, *, lately=True):
        client = browser(user)
        if lately:
            just_signed_in(client)
        token = "t" * 32
        client.cookies["__Host-sluice-csrf"] = token

        def post(path, **fields):
            body = urlencode({"csrfmiddlewaretoken": token, **fields}, doseq=True)
            return client.post(path, body, content_type=FORM, headers={"Referer": "https://localhost:8443/keys/"})

        client.send = post
        return client

    return make


def day(days):
    return timezone.now().date() + datetime.timedelta(days=days)


def wanted(**changed):
    return {"name": "nightly", "may": "upload", "collections": ["mri-2026"], "last_day": day(30), **changed}


def test_a_person_makes_a_key_that_is_shown_once_and_good_for_what_was_chosen(desk, browser, person, collection):
    client = desk(person)
    made = client.send("/keys/", **wanted())
    assert (made.status_code, "no-store" in made["Cache-Control"]) == (200, True)
    (text,) = set(re.findall(r"slk_[a-z0-9]{12}_[\w-]{43}", made.content.decode()))
    key = ApiKey.objects.get()
    assert (key.user, key.label, key.may, list(key.collections.all())) == (person, "nightly", "upload", [collection])
    assert key.expires_at.date() == day(30) and key.expires_at.time() == datetime.time(23, 59, 59)
    assert key.secret_sha256 not in text and text.split("_")[-1] not in str(vars(key))
    assert browser().get("/api/v1/whoami", headers={"Authorization": f"Bearer {text}"}).json()["api_key"]["name"] == "nightly"
    event = AuditEvent.objects.get(action="api_key_created")
    assert (event.actor, event.person, event.subject_id) == (person, person, key.prefix)
    seen = client.get("/keys/").content.decode()
    assert "nightly" in seen and text.split("_")[-1] not in seen


def test_a_form_that_is_sent_twice_makes_one_key(desk, person, collection):
    client = desk(person)
    client.send("/keys/", **wanted())
    again = client.send("/keys/", **wanted())
    assert (again.status_code, ApiKey.objects.count()) == (400, 1)
    assert "key of that name already" in again.content.decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\0b"},
        {"may": "everything"},
        {"may": ""},
        {"collections": []},
        {"collections": ["others"]},
        {"collections": ["mri-2026", "others"]},
        {"last_day": ""},
        {"last_day": day(-1)},
        {"last_day": day(367)},
        {"last_day": "9999-12-31"},
        {"last_day": "soon"},
    ],
)
def test_what_goes_beyond_oneself_or_has_no_bound_is_refused_in_words(desk, person, collection, changed):
    Collection.objects.create(slug="others", title="Others", max_size=1000)
    answer = desk(person).send("/keys/", **wanted(**changed))
    assert (answer.status_code, ApiKey.objects.count()) == (400, 0)
    assert 'role="alert"' in answer.content.decode()


def test_the_password_is_asked_for_again_before_a_key_is_made_and_not_before_one_is_ended(desk, person, collection):
    key, _ = api_keys.create(person, label="old", who=COMMAND)
    client = desk(person, lately=False)
    assert 'name="last_day"' not in client.get("/keys/").content.decode()
    sent_away = client.send("/keys/", **wanted())
    assert (sent_away.status_code, sent_away["Location"], ApiKey.objects.count()) == (302, "/accounts/login/?next=/keys/", 1)
    assert client.send(f"/keys/{key.prefix}/end").status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_key_that_was_ended_is_refused_at_once_and_its_grants_are_taken_back(desk, browser, person, collection):
    key, text = api_keys.create(person, label="old", who=COMMAND)
    script = browser()
    header = {"Authorization": f"Bearer {text}"}
    made = script.post("/api/v1/uploads", '{"collection": "mri-2026"}', content_type="application/json", headers=header)
    desk(person).send(f"/keys/{key.prefix}/end")
    assert script.get("/api/v1/whoami", headers=header).json()["code"] == "api_key_refused"
    assert Revocation.objects.filter(grant=made.json()["id"]).exists()
    assert Grant.objects.get().state == "cancelled"
    assert AuditEvent.objects.get(action="api_key_revoked").actor == person


def test_nobody_sees_or_ends_a_key_of_somebody_else(desk, person, stranger, collection):
    key, _ = api_keys.create(stranger, label="hers", who=COMMAND)
    client = desk(person)
    assert "hers" not in client.get("/keys/").content.decode()
    assert client.send(f"/keys/{key.prefix}/end").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_keys_are_neither_made_nor_ended_by_a_page_of_another_origin(desk, person, collection):
    key, _ = api_keys.create(person, label="old", who=COMMAND)
    client = desk(person)
    for path, fields in (("/keys/", wanted()), (f"/keys/{key.prefix}/end", {})):
        assert client.post(path, urlencode(fields, doseq=True), content_type=FORM).status_code == 403
    key.refresh_from_db()
    assert (ApiKey.objects.count(), key.revoked_at) == (1, None)


def test_an_api_key_makes_and_ends_no_keys(browser, person, collection):
    key, text = api_keys.create(person, label="old", who=COMMAND)
    client = browser()
    for path, fields in (("/keys/", wanted()), (f"/keys/{key.prefix}/end", {})):
        answer = client.post(path, urlencode(fields, doseq=True), content_type=FORM, headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code in (302, 403)
    assert (ApiKey.objects.count(), api_keys.usable_of(person).count()) == (1, 1)


def test_one_person_has_so_many_keys_and_makes_so_many_a_day(desk, person, stranger, collection):
    Membership.objects.create(user=stranger, collection=collection)
    client = desk(person)
    for number in range(api_keys.OWN_USABLE):
        assert client.send("/keys/", **wanted(name=f"key {number}")).status_code == 200
    assert client.send("/keys/", **wanted()).status_code == 400
    api_keys.revoke_all_of(person, who=COMMAND)
    assert "within a day" in client.send("/keys/", **wanted()).content.decode()
    assert api_keys.usable_of(person).count() == 0
    assert desk(stranger).send("/keys/", **wanted()).status_code == 200
