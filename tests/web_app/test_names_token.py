"""`POST /api/v1/names`: a token with which one browser may ask the services tier for names; web_app itself never has one."""

import base64
import json
import uuid

import pytest

from web_app.audit.models import SecurityEvent
from web_app.audit.record import COMMAND
from web_app.grants import actions
from web_app.grants.models import Browser, Revocation
from web_app.tokens.claims import cookie_digest

pytestmark = pytest.mark.django_db

STORED = "019ab0c0-0000-7000-8000-000000000002"
NOBODYS = "019ab0c0-0000-7000-8000-000000000009"
BINDING = "__Host-sluice-binding"


@pytest.fixture
def stored(grant, receipt_for):
    actions.complete(receipt_for(grant, upload_id=STORED), uploader=None, who=COMMAND)
    return STORED


def said(token: str) -> tuple[dict, dict]:
    header, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload))


def test_the_token_names_what_was_asked_for_and_is_bound_to_the_browser(page_api, person, grant, stored, settings):
    api = page_api(person)
    answer = api.post("names", {"grants": [str(grant.id)], "uploads": [stored]})
    assert answer.status_code == 201 and answer["Cache-Control"] == "no-store"
    header, claims = said(answer.json()["token"])
    assert header["typ"] == "upload-names+jwt"
    assert (claims["grants"], claims["uploads"], claims["sub"]) == ([str(grant.id)], [stored], person.uploader_id)
    assert claims["aud"] == f"{settings.TOKEN_AUDIENCE}/names" and claims["exp"] - claims["iat"] == 300
    assert claims["cnf"] == {"cookie_sha256": cookie_digest(api.client.cookies[BINDING].value)}
    assert answer.json()["names_url"] == "https://localhost:8443/u/names"


def test_what_is_somebody_elses_is_left_out_and_noted(page_api, person, stranger, grant, stored):
    assert page_api(stranger).post("names", {"grants": [str(grant.id)], "uploads": [stored]}).status_code == 404
    event = SecurityEvent.objects.get()
    assert (event.kind, event.person) == ("foreign_grant", stranger.uploader_id)
    mine = page_api(person).post("names", {"grants": [str(grant.id), NOBODYS], "uploads": [NOBODYS]})
    assert said(mine.json()["token"])[1]["grants"] == [str(grant.id)]
    assert SecurityEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (404, {}),
        (404, {"uploads": [NOBODYS]}),
        (400, {"uploads": "x"}),
        (400, {"uploads": ["x"]}),
        (400, {"uploads": [5]}),
        (400, {"uploads": [[NOBODYS]]}),
        (400, {"uploads": [str(uuid.uuid4())]}),
        (400, {"grants": [f"019ab0c0-0000-7000-8000-{number:012}" for number in range(51)]}),
        (400, {"grants": [NOBODYS], "name": "x.dcm"}),
    ],
)
def test_what_makes_no_sense_and_what_is_not_there_gets_no_token(page_api, person, grant, status, asked):
    assert page_api(person).post("names", asked).status_code == status


def test_a_script_gets_none(key_api, person, grant):
    answer = key_api(person).post("names", {"grants": [str(grant.id)]})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("end", ["signing out", "the account"])
def test_it_ends_with(page_api, person, grant, end):
    api = page_api(person)
    api.post("names", {"grants": [str(grant.id)]})
    digest = cookie_digest(api.client.cookies[BINDING].value)
    assert Browser.objects.filter(digest=digest, person=person).exists() and not Revocation.objects.filter(browser=digest)
    if end == "signing out":
        api.client.post("/accounts/logout/", "", content_type="application/x-www-form-urlencoded", headers=api.headers)
    else:
        person.is_active = False
        person.save()
    assert Revocation.objects.filter(browser=digest).exists()
