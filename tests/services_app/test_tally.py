"""Who tries what they may not is told, and cannot fill the disk with it."""

import pytest

from services_app.tokens import errors as token_errors
from services_app.uploads import errors
from services_app.uploads.wire import tally
from services_app.uploads.wire.middleware import _codes
from tests.services_app.making import INTERNAL_KEY, WEB_APP, Connection, announced, begun, claims_object, some_uuid
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]


@pytest.fixture
def told(caplog):
    """A function: the lines of all that was noted, and nothing is left."""
    tally.tell()
    caplog.clear()

    def told():
        tally.tell()
        lines = [record for record in caplog.records if record.name == "sluice.security"]
        caplog.clear()
        return {(line.code, getattr(line, "person", "")): line.count for line in lines}

    return told


def test_each_kind_is_one_line_with_its_number_and_the_person_where_one_is_known(told, control, uploads, grant_token):
    theirs = begun(claims_object(), announced(9))
    token, question = grant_token(sub="u-mine"), {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "9"}
    for _ in range(3):
        control("GET", "/u", token=token[:-8] + "AAAAAAAA")
        control("GET", "/authorize", token="no.token", **question)
        control("GET", f"/u/{theirs.id}", token=token)
        control("GET", "/u", token=grant_token(sub="u-mine", cnf={"cookie_sha256": "A" * 43}))
        control("GET", f"/internal/v1/objects/{some_uuid()}", token="wrong", peer=Connection(WEB_APP))
        control("GET", "/u", token=token, peer=Connection("other.test.internal"))
    # What is everyday's, and what web_app asks about.
    control("GET", "/u")
    control("GET", "/u", token=token)
    control("GET", f"/internal/v1/objects/{some_uuid()}", token=INTERNAL_KEY, peer=Connection(WEB_APP))
    assert told() == {
        ("token_signature", ""): 3,
        ("token_malformed", ""): 3,
        ("upload_unknown", "u-mine"): 3,
        ("token_binding", "u-mine"): 3,
        ("peer_forbidden", ""): 6,
    }
    assert told() == {}


def test_many_persons_do_not_make_many_lines(told):
    for number in range(1000):
        tally.note("upload_unknown", f"u-{number}")
        tally.note("token_binding", f"u-{number}")
    lines = told()
    assert len(lines) <= tally.MOST + len(tally.KINDS)
    assert sum(lines.values()) == 2000 and lines["upload_unknown", ""] == lines["token_binding", ""]


def test_the_lines_come_by_themselves_and_again(told, monkeypatch, caplog):
    monkeypatch.setattr(tally, "EVERY", 0.05)
    monkeypatch.setattr(tally, "_teller", None)
    for number in range(2):
        tally.note("token_signature", "")
        wait_for(lambda number=number: len([1 for record in caplog.records if record.name == "sluice.security"]) == number + 1)


def test_every_kind_is_a_code_that_is_counted():
    assert tally.KINDS <= _codes(errors.Problem) | _codes(token_errors.TokenRefused)
