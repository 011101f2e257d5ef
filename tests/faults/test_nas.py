"""The NAS goes away: 503 and red health, and never a byte on the disk below its mountpoint."""

import os

import pytest

from dev import health
from tests.curl import bearer, curl
from tests.faults.slow_sender import Sender, wait_until_taken
from tests.tokens import mint

MIB = 1 << 20


@pytest.fixture
def swapped(own):
    """A function that puts an empty folder where the NAS was, as an unmount would, and undoes it afterwards."""
    aside = own.nas.with_name("nas-aside")

    def swap():
        own.nas.rename(aside)
        own.nas.mkdir()

    yield swap
    own.nas.rmdir()
    aside.rename(own.nas)


def files_below(folder) -> list:
    return list(folder.rglob("*"))


def test_an_upload_that_begins_while_the_nas_is_away_is_503_and_writes_nothing(own, client, swapped):
    swapped()
    reply = client.put(mint(own), bytes(MIB))
    assert (reply.status, reply.json()["code"]) == (503, "store_unavailable")
    assert "Retry-After" in reply.headers
    assert files_below(own.nas) == []


def test_health_turns_red_while_the_nas_is_away_and_green_again_after(own, swapped):
    assert health.control_is_ready(own.control_port, own.keys)
    swapped()
    assert not health.control_is_ready(own.control_port, own.keys)


def test_the_nas_swapped_in_the_middle_of_an_upload_is_503_and_nothing_is_written_to_the_new_folder(own, swapped):
    token = mint(own)
    sender = Sender(own, token, os.urandom(16 * MIB), os.urandom(16 * MIB))
    wait_until_taken(own, 8 * MIB)
    swapped()
    sender.go_on()
    reply = sender.reply()
    assert (reply.status, reply.json()["code"]) == (503, "store_unavailable")
    assert files_below(own.nas) == []


def test_after_the_nas_is_back_the_same_token_stores_the_file(own, client):
    # Runs after the tests above: the stack went through three absences.
    token = mint(own)
    assert client.put(token, b"content").status == 201
    assert curl(own, "/u", *bearer(token)).json()["state"] == "committed"


def test_another_store_at_the_same_place_is_refused(own, client, swapped):
    swapped()
    (own.nas / ".sluice-store").write_text('{"store": "4f1c1c6e-0000-4000-8000-000000000000"}')
    for folder in ("staging", "collections", f"collections/{own.collection}"):
        (own.nas / folder).mkdir()
    try:
        reply = client.put(mint(own), b"content")
        assert (reply.status, reply.json()["code"]) == (503, "store_unavailable")
        assert not [entry for entry in files_below(own.nas) if entry.is_file() and entry.name != ".sluice-store"]
    finally:
        (own.nas / ".sluice-store").unlink()
        for folder in ("staging", f"collections/{own.collection}", "collections"):
            (own.nas / folder).rmdir()
