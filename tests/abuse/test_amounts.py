"""Small requests that leave much behind: rows under a token, and copies of one part."""

import sqlite3

import pytest

from tests.curl import bearer, curl
from tests.tokens import mint

MIB = 1 << 20
MOST = 20


@pytest.fixture
def strict(own):
    """Bounds that a test can reach; the defaults are a thousand times that."""
    bounds = {"UPLOAD_DAILY_PER_PERSON": str(MOST)}
    for name in ("control", "uploads"):
        own.restart(name, bounds)
    yield own
    for name in ("control", "uploads"):
        own.restart(name)


def creation(own, token: str, *more: str, body: bytes = b""):
    said = ("Tus-Resumable: 1.0.0", *more)
    options = [option for line in said for option in ("--header", line)]
    return curl(own, "/u", "--request", "POST", *options, *bearer(token), *(("--data-binary", "@-") if body else ()), stdin=body)


def rows(own, sub: str) -> int:
    with sqlite3.connect(f"file:{own.services_state}/services.sqlite3?mode=ro", uri=True) as database:
        counted = "SELECT count(*) FROM uploads_upload u JOIN uploads_grant g ON g.id = u.grant_id WHERE g.sub = ?"
        return database.execute(counted, [sub]).fetchone()[0]


def test_a_person_who_begins_uploads_without_end_comes_to_one(strict, bystander):
    token, length = mint(strict, sub="greedy"), "Upload-Length: 9"
    assert creation(strict, token, length, "Upload-Metadata: filename " + "QUFB" * 3000).json()["code"] == "metadata_too_large"
    codes = [creation(strict, token, length).status for _ in range(MOST + 5)]
    assert codes == [201] * MOST + [423] * 5  # 429, as it is told to a client of tus
    assert rows(strict, "greedy") == MOST
    assert bystander.uploads()


def test_one_part_named_390_times_is_refused_before_a_byte_is_copied(own, bystander):
    token = mint(own, sub="greedy")
    typed = "Content-Type: application/offset+octet-stream"
    part = creation(own, token, "Upload-Concat: partial", f"Upload-Length: {4 * MIB}", typed, body=bytes(4 * MIB))
    assert part.status == 201
    place = "/u/" + part.headers["location"].rpartition("/")[2]
    before = sum(entry.stat().st_size for entry in own.nas.rglob("*") if entry.is_file())
    refused = creation(own, token, "Upload-Concat: final;" + " ".join([place] * 390))
    assert (refused.status, refused.json()["code"]) == (400, "part_repeated")
    assert sum(entry.stat().st_size for entry in own.nas.rglob("*") if entry.is_file()) == before
    assert bystander.uploads()
