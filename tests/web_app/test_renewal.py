"""POST /api/v1/uploads/<id>/token: a token that ran out is replaced, for the same upload and nothing else."""

import base64
import datetime
import json

import pytest
from django.utils import timezone

from tests.web_app.conftest import Api
from web_app.accounts import api_keys
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.grants import actions
from web_app.grants.models import Grant
from web_app.grants.states import State

pytestmark = pytest.mark.django_db

UPLOAD = "019abcde-0000-7000-8000-00000000a001"


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.fixture
def grant(key_api, person, collection):
    return key_api(person).post("uploads", {"collection": "mri-2026", "size": 100}).json()


def renew(api, grant, **fields):
    return api.post(f"uploads/{grant['id']}/token", {"upload_id": UPLOAD, **fields})


def test_renewed_token_speaks_for_the_same_grant_and_that_upload_alone(key_api, person, grant):
    response = renew(key_api(person), grant)
    old, new = claims_of(grant["token"]), claims_of(response.json()["token"])
    assert response.status_code == 201
    assert new["upload_id"] == UPLOAD
    assert {name: new[name] for name in old if name not in ("iat", "nbf", "exp", "start_by")} == {
        name: old[name] for name in old if name not in ("iat", "nbf", "exp", "start_by")
    }


def test_renewal_moves_the_end_of_the_grant_and_is_audited(key_api, person, grant):
    Grant.objects.update(expires_at=timezone.now() - datetime.timedelta(hours=1))
    renew(key_api(person), grant)
    assert Grant.objects.get().expires_at > timezone.now()
    assert AuditEvent.objects.filter(action="grant_renewed").count() == 1


def test_a_grant_that_ran_out_lives_again(key_api, person, grant):
    Grant.objects.update(state=State.EXPIRED, expires_at=timezone.now() - datetime.timedelta(days=2))
    assert renew(key_api(person), grant).status_code == 201
    assert Grant.objects.get().state == State.ISSUED


def test_another_person_cannot_renew_it(key_api, stranger, grant):
    assert renew(key_api(stranger), grant).status_code == 404


def test_who_is_no_longer_a_member_cannot_renew_it(key_api, person, grant):
    Membership.objects.all().delete()
    assert renew(key_api(person), grant).json()["code"] == "collection_forbidden"


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.COMPLETE, "already_complete"), (State.CANCELLED, "grant_ended")],
)
def test_what_has_ended_is_not_renewed(key_api, person, grant, state, code):
    Grant.objects.update(state=state)
    response = renew(key_api(person), grant)
    assert (response.status_code, response.json()["code"]) == (409, code)


@pytest.mark.parametrize("upload_id", ["", "x", UPLOAD.upper(), "6ba7b810-9dad-41d1-80b4-00c04fd430c8"])
def test_an_upload_id_that_is_none_is_refused(key_api, person, grant, upload_id):
    assert renew(key_api(person), grant, upload_id=upload_id).status_code == 400


def test_no_renewal_goes_beyond_the_last_day(key_api, person, grant, settings):
    settings.GRANT_LAST_DAY = 14
    api, now = key_api(person), timezone.now()
    Grant.objects.update(created_at=now - datetime.timedelta(days=13, hours=23))
    end = claims_of(renew(api, grant).json()["token"])["exp"]
    assert abs(end - (now + datetime.timedelta(hours=1)).timestamp()) < 5
    Grant.objects.update(created_at=now - datetime.timedelta(days=14))
    assert renew(api, grant).json()["code"] == "grant_ended"
    Grant.objects.update(created_at=now - datetime.timedelta(days=90), state=State.EXPIRED)
    assert renew(api, grant).json()["code"] == "grant_ended"


def test_the_first_token_ends_with_the_last_day_as_well(key_api, person, collection, settings):
    settings.GRANT_LAST_DAY = 2
    Collection.objects.update(valid_for=5 * 86400, start_within=4 * 86400)
    granted = key_api(person).post("uploads", {"collection": "mri-2026"}).json()
    claims = claims_of(granted["token"])
    assert claims["exp"] - claims["iat"] == 2 * 86400 and claims["start_by"] <= claims["exp"]
    assert claims["exp"] == int(Grant.objects.get().expires_at.timestamp())


def test_fewer_files_count_at_renewal(key_api, person, collection, receipt_for):
    Collection.objects.update(max_uploads=5)
    granted = key_api(person).post("uploads", {"collection": "mri-2026"}).json()
    Collection.objects.update(max_uploads=2)
    told = renew(key_api(person), granted).json()
    assert claims_of(told["token"])["max_uploads"] == told["max_uploads"] == 2
    Collection.objects.update(max_uploads=1)
    actions.complete(receipt_for(Grant.objects.get()), uploader=person, who=COMMAND)
    assert renew(key_api(person), granted).json()["code"] == "already_complete"
    assert Grant.objects.get().max_uploads == 5, "the older token may bring more still, and its receipt has to fit"


def test_a_lowered_limit_counts_at_renewal(key_api, person, collection, grant):
    api, old = key_api(person), claims_of(grant["token"])
    Collection.objects.update(valid_for=60, start_within=30, max_size=200, media_types=["text/csv"])
    new = claims_of(renew(api, grant).json()["token"])
    assert new["exp"] - new["iat"] == 60
    assert (new["max_size"], new["media_types"]) == (200, ["text/csv"])
    # The older token lives on, so what it may still bring has to fit.
    kept = Grant.objects.get()
    assert (int(kept.expires_at.timestamp()), kept.max_size) == (old["exp"], 1000)
    Collection.objects.update(max_size=99)
    assert renew(api, grant).json()["code"] == "size_over_limit"


def test_a_grant_ends_no_later_than_the_key_that_asked_for_it(browser, person, collection):
    ends = timezone.now() + datetime.timedelta(seconds=600)
    _, text = api_keys.create(person, label="", expires_at=ends, who=COMMAND)
    api = Api(browser(), {"Authorization": f"Bearer {text}"})
    granted = api.post("uploads", {"collection": "mri-2026"}).json()
    for token in (granted["token"], renew(api, granted).json()["token"]):
        claims = claims_of(token)
        assert claims["exp"] == int(ends.timestamp()) and claims["start_by"] <= claims["exp"]


def test_a_key_with_a_scope_does_nothing_outside_of_it(browser, person, collection, receipt_for):
    other = Collection.objects.create(slug="ct-2026", title="CT")
    Membership.objects.create(user=person, collection=other)
    _, wide = api_keys.create(person, label="", who=COMMAND)
    outside = Api(browser(), {"Authorization": f"Bearer {wide}"}).post("uploads", {"collection": "ct-2026"}).json()
    _, text = api_keys.create(person, label="", collections=[collection], who=COMMAND)
    api = Api(browser(), {"Authorization": f"Bearer {text}"})
    assert [one["collection"] for one in api.get("collections").json()["collections"]] == ["mri-2026"]
    assert api.post("uploads", {"collection": "ct-2026"}).json()["code"] == "collection_forbidden"
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201
    assert [one["collection"] for one in api.get("uploads").json()["uploads"]] == ["mri-2026"]
    assert api.get(f"uploads/{outside['id']}").status_code == 404
    assert renew(api, outside).status_code == 404
    assert api.delete(f"uploads/{outside['id']}").status_code == 404
    receipt = {"receipt": receipt_for(Grant.objects.get(pk=outside["id"]))}
    refused = api.post("receipts", receipt)
    assert (refused.status_code, refused.json()["code"]) == (404, "receipt_unknown_grant")
    assert Grant.objects.get(pk=outside["id"]).state == State.ISSUED
    assert Api(browser(), {"Authorization": f"Bearer {wide}"}).post("receipts", receipt).status_code == 200
