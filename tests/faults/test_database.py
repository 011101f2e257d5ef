"""The disk of a tier's database is full: 503 with Retry-After everywhere, and afterwards everybody is told the truth."""

import os
import subprocess

import pytest

from dev.client import Client
from dev.stack import Stack
from tests.curl import bearer, curl
from tests.faults.slow_sender import Sender, wait_until_taken
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20
PASSING = (503, "database_unavailable")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack whose databases lie on small file systems of their own. Only root can mount them."""
    place, mounted = tmp_path_factory.mktemp("database"), []
    try:
        for folder in ("services_app", "web_app"):
            (place / folder).mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", place / folder]
            if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
                pytest.skip("a file system of its own can only be mounted by root")
            mounted.append(place / folder)
        with Stack(place) as stack:
            yield stack
    finally:
        for folder in mounted:
            subprocess.run(["umount", folder], check=True)


@pytest.fixture
def client(own):
    return Client(own.edge_port, own.keys.edge_ca, own.api_key)


@pytest.fixture
def fill(own):
    """A function: leave not a byte beside the database of this tier; called again it makes room."""
    filled = []

    def fill(folder):
        filled.append(folder / "filler")
        with open(folder / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
            try:
                while True:
                    file.write(b"\0" * 512)
            except OSError:
                pass

    def make_room():
        for file in filled:
            file.unlink(missing_ok=True)

    fill.make_room = make_room
    yield fill
    make_room()


def told(reply):
    assert reply.status != 503 or int(reply.headers["Retry-After"]) > 0
    return reply.status, reply.json()["code"]


def test_an_upload_that_begins_while_services_app_cannot_write_is_503_and_nothing_is_left(own, client, fill):
    token = mint(own)
    fill(own.services_state)
    assert told(client.put(token, bytes(MIB))) == PASSING
    assert own.staged() == []
    fill.make_room()
    assert client.put(token, b"content").status == 201


def test_an_upload_whose_records_cannot_be_kept_at_its_end_is_503_and_settles_to_the_truth(own, client, fill):
    token, first, rest = mint(own), os.urandom(8 * MIB), os.urandom(8 * MIB)
    sender = Sender(own, token, first, rest)
    wait_until_taken(own, 4 * MIB)
    fill(own.services_state)
    sender.go_on()
    assert told(sender.reply()) == PASSING
    fill.make_room()
    # Its process lives, so its lease must run out first.
    state = lambda: curl(own, "/u", *bearer(token)).json()  # noqa: E731
    (upload,) = wait_for(lambda: (s := state())["state"] in ("waiting", "committed") and s, 30)["uploads"]
    objects = [path for path in own.nas.glob("collections/*/*/*/*/*") if upload["upload_id"] in str(path)]
    assert bool(objects) == (upload["state"] == "committed")
    assert client.put(token, first + rest).status == (409 if objects else 201)


def test_pages_and_api_of_web_app_are_503_and_work_again_when_there_is_room(own, client, fill):
    fill(own.web_state)
    ask = lambda: client.call("POST", "/api/v1/uploads", {"collection": own.collection})  # noqa: E731
    assert told(ask()) == PASSING
    fill.make_room()
    assert ask().status == 201
