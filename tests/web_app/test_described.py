"""GET /api/v1/, /api/v1/openapi.json and /api/v1/whoami; keys that may less than their owners."""

import json

import pytest

from dev import openapi
from tests.web_app.conftest import Api
from web_app.accounts import api_keys
from web_app.accounts.models import May
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.config.moments import rfc3339

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_key(browser):
    """`with_key(user, **scope)`: the API as a script with such a key uses it."""

    def make(user, **scope):
        key, text = api_keys.create(user, label="nightly", who=COMMAND, **scope)
        api = Api(browser(), {"Authorization": f"Bearer {text}"})
        api.key = key
        return api

    return make


def test_the_index_leads_everywhere_without_signing_in(browser, person, key_api):
    places = browser().get("/api/v1/").json()
    assert places["openapi"] == "https://localhost:8443/api/v1/openapi.json"
    signed_in = key_api(person)
    for name, url in places.items():
        assert url.startswith("https://localhost:8443/")
        if name not in ("upload_resource", "names", "receipts"):
            assert signed_in.client.get(url, headers=signed_in.headers).status_code == 200, name


def test_the_document_is_served_as_it_was_written_and_asked_for_again_only_when_it_changed(browser):
    answer = browser().get("/api/v1/openapi.json")
    assert answer["Content-Type"] == "application/openapi+json"
    assert json.loads(answer.content) == openapi.document()
    assert answer["Cache-Control"] == "public, max-age=300"
    again = browser().get("/api/v1/openapi.json", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content, again["Cache-Control"]) == (304, b"", answer["Cache-Control"])


def test_a_caller_is_told_who_it_is_and_what_its_key_may(with_key, page_api, person, collection):
    assert page_api(person).get("whoami").json() == {"person": person.uploader_id, "api_key": None}
    api = with_key(person, collections=[collection], may=May.UPLOAD)
    told = api.get("whoami").json()["api_key"]
    assert told.pop("expires_at") == rfc3339(api.key.expires_at)
    assert told == {"name": "nightly", "prefix": api.key.prefix, "may": "upload", "collections": ["mri-2026"]}
    assert with_key(person).get("whoami").json()["api_key"]["collections"] is None


def test_a_key_that_only_sees_changes_nothing(with_key, person, collection, grant):
    api = with_key(person, may=May.READ)
    before = person.grants.count()
    refused = [
        api.post("uploads", {"collection": collection.slug}),
        api.post(f"uploads/{grant.id}/token", {"upload_id": "0"}),
        api.post("receipts", {"receipt": "x"}),
        api.post("names", {}),
        api.delete(f"uploads/{grant.id}"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "beyond_the_key")] * 5
    grant.refresh_from_db()
    assert (person.grants.count(), grant.state) == (before, "issued")
    assert api.get(f"uploads/{grant.id}").status_code == 200


def test_a_key_that_only_sends_sees_what_it_began_and_nothing_else(with_key, person, collection, grant):
    api = with_key(person, may=May.UPLOAD)
    begun = api.post("uploads", {"collection": collection.slug}).json()["id"]
    assert [row["id"] for row in api.get("uploads").json()["uploads"]] == [begun]
    for path in (f"uploads/{grant.id}", f"uploads/{grant.id}/receipt"):
        assert api.get(path).status_code == 404
    assert api.delete(f"uploads/{grant.id}").status_code == 404
    assert api.delete(f"uploads/{begun}").status_code == 200


def test_a_key_that_only_sends_hands_in_no_receipt_of_others(with_key, person, grant, receipt_for):
    answer = with_key(person, may=May.UPLOAD).post("receipts", {"receipt": receipt_for(grant)})
    assert (answer.status_code, answer.json()["code"]) == (404, "receipt_unknown_grant")


def test_a_key_with_a_scope_sees_grants_of_its_collections_alone(with_key, person, collection, grant):
    other = Collection.objects.create(slug="other", title="Other", max_size=1000)
    Membership.objects.create(user=person, collection=other)
    assert with_key(person, may=May.READ, collections=[other]).get("uploads").json()["uploads"] == []
