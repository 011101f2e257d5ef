"""POST /api/v1/uploads/<id>/token: a token that ran out is replaced, for the same upload and nothing else."""

import base64
import datetime
import json

import pytest
from django.utils import timezone

from web_app.audit.models import AuditEvent
from web_app.collections.models import Membership
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
