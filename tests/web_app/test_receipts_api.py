"""POST /api/v1/receipts, GET …/receipt and GET /api/v1/receipt-keys."""

import datetime

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, OKPKey

from tests.web_app.signing import UPLOAD_ID, signed
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.grants import actions
from web_app.grants.models import Grant
from web_app.grants.states import State

pytestmark = pytest.mark.django_db

THREE = [f"019ab0c0-0000-7000-8000-00000000000{n}" for n in (2, 3, 4)]


@pytest.fixture
def several(person, collection):
    """A grant that is good for three uploads."""
    collection.max_uploads = 3
    collection.save()
    made, _ = actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    return made


def test_receipt_completes_its_grant(page_api, person, grant, receipt_for):
    response = page_api(person).post("receipts", {"receipt": receipt_for(grant)})
    body = response.json()
    assert response.status_code == 200
    assert (body["state"], body["size"], body["sha256"]) == ("complete", 100, "ab" * 32)
    assert (body["upload_id"], body["media_type"]) == (UPLOAD_ID, "application/zip")
    assert body["completed_at"] == "2026-11-23T08:01:00Z"
    assert body["receipt_url"] == f"https://localhost:8443/api/v1/uploads/{grant.id}/receipt?upload_id={UPLOAD_ID}"
    named = ("upload_id", "size", "sha256", "media_type", "completed_at", "receipt_url")
    assert body["uploads"] == [{name: body[name] for name in named}]


def test_same_receipt_again_is_200_and_changes_nothing(page_api, person, grant, receipt_for):
    api, receipt = page_api(person), receipt_for(grant)
    first, second = api.post("receipts", {"receipt": receipt}), api.post("receipts", {"receipt": receipt})
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert AuditEvent.objects.filter(action="grant_completed").count() == 1


def test_receipt_of_another_upload_under_a_complete_grant_is_refused(page_api, person, grant, receipt_for):
    api = page_api(person)
    api.post("receipts", {"receipt": receipt_for(grant)})
    other = receipt_for(grant, upload_id="019ab0c0-0000-7000-8000-000000000002")
    response = api.post("receipts", {"receipt": other})
    assert (response.status_code, response.json()["code"]) == (409, "already_complete")
    assert [str(upload.upload_id) for upload in grant.stored.all()] == [UPLOAD_ID]


def test_a_grant_of_several_keeps_every_receipt_and_is_complete_with_the_last(page_api, person, several, receipt_for):
    api, receipts = (
        page_api(person),
        [receipt_for(several, upload_id=each, size=size) for size, each in enumerate(THREE)],
    )
    answers = [api.post("receipts", {"receipt": receipt}).json() for receipt in receipts]
    assert [answer["state"] for answer in answers] == ["issued", "issued", "complete"]
    assert [(answer["upload_id"], answer["size"]) for answer in answers] == [
        (each, at) for at, each in enumerate(THREE)
    ]
    seen = api.get(f"uploads/{several.id}").json()
    assert [(each["upload_id"], each["size"]) for each in seen["uploads"]] == [
        (each, at) for at, each in enumerate(THREE)
    ]
    for each, receipt in zip(seen["uploads"], receipts, strict=True):
        path = each["receipt_url"].removeprefix("https://localhost:8443/api/v1/")
        assert api.get(path).content.decode() == receipt
    assert api.get(f"uploads/{several.id}/receipt").content.decode() == receipts[-1]
    assert AuditEvent.objects.filter(action="upload_stored").count() == 3
    assert AuditEvent.objects.filter(action="grant_completed").count() == 1


def test_a_repeated_receipt_of_several_is_answered_with_its_own_upload(page_api, person, several, receipt_for):
    api, first = page_api(person), receipt_for(several, upload_id=THREE[0], size=5)
    api.post("receipts", {"receipt": first})
    api.post("receipts", {"receipt": receipt_for(several, upload_id=THREE[1], size=6)})
    again = api.post("receipts", {"receipt": first}).json()
    assert (again["state"], again["upload_id"], again["size"], len(again["uploads"])) == ("issued", THREE[0], 5, 2)


def test_what_is_stored_is_not_renewed_and_what_is_not_still_can_be(page_api, person, several, receipt_for):
    api = page_api(person)
    api.post("receipts", {"receipt": receipt_for(several, upload_id=THREE[0])})
    stored, other = (api.post(f"uploads/{several.id}/token", {"upload_id": each}) for each in THREE[:2])
    assert (stored.status_code, stored.json()["code"]) == (409, "already_complete")
    assert other.status_code == 201


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_a_late_receipt_of_several_is_kept_and_the_state_stays_true(page_api, person, several, receipt_for, state):
    Grant.objects.filter(pk=several.pk).update(state=state)
    body = page_api(person).post("receipts", {"receipt": receipt_for(several, upload_id=THREE[0])}).json()
    assert (body["state"], len(body["uploads"])) == (state, 1)


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_late_receipt_still_completes(page_api, person, grant, receipt_for, state):
    Grant.objects.filter(pk=grant.pk).update(state=state)
    assert page_api(person).post("receipts", {"receipt": receipt_for(grant)}).json()["state"] == "complete"


def test_receipt_of_somebody_elses_grant_is_unknown(page_api, stranger, grant, receipt_for):
    response = page_api(stranger).post("receipts", {"receipt": receipt_for(grant)})
    assert (response.status_code, response.json()["code"]) == (404, "receipt_unknown_grant")
    grant.refresh_from_db()
    assert grant.state == State.ISSUED


def test_receipt_of_no_grant_is_unknown(page_api, person, grant, receipt_for):
    response = page_api(person).post("receipts", {"receipt": receipt_for(grant, grant=UPLOAD_ID)})
    assert (response.status_code, response.json()["code"]) == (404, "receipt_unknown_grant")


@pytest.mark.parametrize(
    ("claim", "value"),
    [("sub", "somebody-else"), ("collection", "ct-2026"), ("size", 1001)],
)
def test_receipt_that_does_not_fit_the_grant_is_refused(page_api, person, grant, receipt_for, claim, value):
    response = page_api(person).post("receipts", {"receipt": receipt_for(grant, **{claim: value})})
    assert (response.status_code, response.json()["code"]) == (422, "receipt_mismatch")
    assert claim in response.json()["detail"]


@pytest.mark.parametrize(("claim", "value"), [("size", 99), ("sha256", "cd" * 32)])
def test_receipt_must_fit_what_was_declared(page_api, person, collection, receipt_for, claim, value):
    declared, _ = actions.issue(person, collection.slug, size=100, sha256="ab" * 32, binding=None, who=COMMAND)
    response = page_api(person).post("receipts", {"receipt": receipt_for(declared, **{claim: value})})
    assert (response.status_code, response.json()["code"]) == (422, "receipt_mismatch")


def test_forged_receipt_is_refused_and_never_repeated(page_api, person, grant, receipt_claims):
    forged = signed(receipt_claims(grant), key=OKPKey.generate_key("Ed25519"))
    response = page_api(person).post("receipts", {"receipt": forged})
    assert (response.status_code, response.json()["code"]) == (422, "receipt_invalid")
    assert forged.split(".")[2].encode() not in response.content
    grant.refresh_from_db()
    assert grant.state == State.ISSUED


def test_receipt_can_be_downloaded_and_checked_offline_with_the_published_keys(page_api, person, grant, receipt_for):
    api, receipt = page_api(person), receipt_for(grant)
    api.post("receipts", {"receipt": receipt})
    download = api.get(f"uploads/{grant.id}/receipt")
    assert download["Content-Type"] == "application/jose"
    assert download["Content-Disposition"] == f'attachment; filename="receipt-{UPLOAD_ID}.jws"'
    keys = KeySet.import_key_set(api.get("receipt-keys").json())
    assert jws.deserialize_compact(download.content.decode(), keys, algorithms=["Ed25519"]).payload


@pytest.mark.parametrize("upload_id", ["", "x", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"])
def test_a_receipt_is_asked_for_by_an_upload_id_that_makes_sense(page_api, person, grant, receipt_for, upload_id):
    api = page_api(person)
    api.post("receipts", {"receipt": receipt_for(grant)})
    assert api.get(f"uploads/{grant.id}/receipt?upload_id={upload_id}").json()["code"] == "request_malformed"
    assert api.get(f"uploads/{grant.id}/receipt?upload_id={THREE[0]}").json()["code"] == "not_found"


def test_receipt_that_never_came_is_404(page_api, person, grant):
    assert page_api(person).get(f"uploads/{grant.id}/receipt").json()["code"] == "not_found"


def test_receipt_keys_are_public_and_hold_no_private_part(browser):
    response = browser().get("/api/v1/receipt-keys")
    assert response["Content-Type"] == "application/jwk-set+json"
    assert [set(key) for key in response.json()["keys"]] == [{"kty", "crv", "x", "use", "alg", "kid"}]


def test_completion_time_is_when_the_bytes_became_durable(person, grant, receipt_for):
    done = actions.complete(receipt_for(grant), uploader=person, who=COMMAND)
    assert done.durable_at == datetime.datetime(2026, 11, 23, 8, 1, 0, 500_000, tzinfo=datetime.UTC)
