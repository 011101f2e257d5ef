"""tus 1.0.0, "Expiration". An upload is made to expire by setting back its date in the database."""

import contextlib
import sqlite3
import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.tokens import mint
from tests.tus.client import Tus, checksum, upload_id


@pytest.fixture
def url(tus) -> str:
    """An upload of 10 bytes that stands at 5."""
    made = tus.create(10)
    assert tus.patch(made, 0, b"hello").status == 204
    return made


def expires(answer) -> datetime:
    """Upload-Expires, in the one form that RFC 9110 section 5.6.7 wants to be sent."""
    at = parsedate_to_datetime(answer["Upload-Expires"])
    assert answer["Upload-Expires"] == at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return at


def set_expiry(tus: Tus, url: str, seconds: float) -> None:
    """Let it expire so many seconds from now. The machine must have run that long as well: by that clock it has waited for a year."""
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    database = sqlite3.connect(tus.stack.services_state / "services.sqlite3", timeout=20)
    with contextlib.closing(database), database:
        changed = database.execute(
            "UPDATE uploads_upload SET expires_at = ?, lease_uptime = lease_uptime - 31536000 WHERE id = ?",
            (at.replace(tzinfo=None).isoformat(sep=" "), uuid.UUID(upload_id(url)).hex),
        )
        assert changed.rowcount == 1


def test_a_creation_says_when_the_upload_expires(tus):
    answer = tus.post({"Upload-Length": "10"})
    assert expires(answer) > datetime.now(UTC)
    assert expires(tus.post({"Upload-Length": "10"}, b"hello")) > datetime.now(UTC)


def test_an_upload_is_not_said_to_live_longer_than_the_token_in_its_url(stack):
    end = int(time.time()) + 300
    tus = Tus(stack, mint(stack, exp=end))
    made = tus.post({"Upload-Length": "10"})
    url = made["Location"]
    for answer in (made, tus.head(url), tus.patch(url, 0, b"hello"), tus.patch(url, 0, b"hello")):
        assert expires(answer).timestamp() == end


def test_an_append_says_when_the_upload_expires(tus, url):
    assert expires(tus.patch(url, 5, b"w")) > datetime.now(UTC)


def test_an_append_that_is_refused_says_when_the_upload_expires(tus, url):
    refused = [
        tus.patch(url, 4, b"w"),
        tus.patch(url, 5, b"x" * 10),
        tus.patch(url, 5, b"x" * 300_000, chunked=True),
        tus.patch(url, 5, b"w", checksum(b"other")),
        tus.patch(url, 5, b"w", {"Upload-Length": "11"}),
        tus.patch(url, 5, b"w", {"Content-Type": "text/plain"}),
        tus.patch(url, None, b"w"),
    ]
    assert [answer.status for answer in refused] == [409, 413, 413, 460, 400, 415, 400]
    assert all(expires(answer) > datetime.now(UTC) for answer in refused)


def test_head_says_when_the_upload_expires(tus, url):
    assert expires(tus.head(url)) > datetime.now(UTC)


def test_every_append_moves_the_date(tus, url):
    set_expiry(tus, url, 60)
    assert expires(tus.head(url)) <= datetime.now(UTC) + timedelta(seconds=60)
    assert expires(tus.patch(url, 5, b"w")) > datetime.now(UTC) + timedelta(seconds=120)


def test_head_does_not_move_the_date(tus, url):
    before = expires(tus.head(url))
    time.sleep(1.1)
    assert expires(tus.head(url)) == before


def test_a_complete_upload_does_not_expire(tus, url):
    assert tus.patch(url, 5, b"world")["Upload-Expires"] is None
    assert tus.head(url)["Upload-Expires"] is None
    assert tus.post({"Upload-Length": "5"}, b"hello")["Upload-Expires"] is None


@pytest.mark.parametrize("first", ["HEAD", "PATCH", "DELETE"])
def test_an_expired_upload_is_410_without_an_offset(tus, url, first):
    set_expiry(tus, url, -1)
    by = {"HEAD": tus.head, "PATCH": lambda url: tus.patch(url, 5, b"world"), "DELETE": tus.delete}
    for verb in (first, "HEAD", "PATCH", "DELETE"):
        answer = by[verb](url)
        assert (answer.status, answer.offset) == (410, None)


def test_an_expired_upload_leaves_no_bytes(tus, url):
    staged = tus.stack.nas / "staging" / upload_id(url)
    assert staged.exists()
    set_expiry(tus, url, -1)
    tus.head(url)
    assert not staged.exists()


def test_an_expired_upload_gives_its_place_back(single):
    url = single.create(10)
    set_expiry(single, url, -1)
    assert single.stored(single.create(5, body=b"hello")) == b"hello"
