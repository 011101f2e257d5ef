"""A stack whose places are small file systems: read-only, full or without inodes, each for real, and told before a body is taken."""

import contextlib
import os
from pathlib import Path

import pytest

from dev import health
from dev.client import Client
from dev.stack import Stack
from tests.curl import bearer, curl
from tests.faults.slow_sender import start_curl, wait_until_taken
from tests.mounts import mounted, remount
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20
SPACE = {"UPLOAD_SPACE_RESERVE": "0", "UPLOAD_INODE_RESERVE": "0"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack with a NAS of 64 MiB and 200 inodes, and a STATE_DIR of 16 MiB on each tier."""
    state = tmp_path_factory.mktemp("full")
    with (
        mounted(state / "nas", "size=64m", "nr_inodes=200"),
        mounted(state / "services_app", "size=16m", "mode=0700"),
        mounted(state / "web_app", "size=16m", "mode=0700"),
        Stack(state, env=dict.fromkeys(("uploads", "control"), SPACE)) as stack,
    ):
        yield stack


@pytest.fixture
def client(own):
    return Client(own.edge_port, own.keys.edge_ca, own.api_key)


@contextlib.contextmanager
def filled(folder: Path):
    """No room in a folder's file system, to the last block, for the length of a `with` block."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


def is_ready(own) -> bool:
    return health.control_is_ready(own.control_port, own.keys)


def red_soon(own) -> None:
    wait_for(lambda: not is_ready(own), 10)  # a success is believed for seconds


def green_soon(own) -> None:
    wait_for(lambda: is_ready(own), 10)


def refused(client, own, size=MIB):
    reply = client.put(mint(own), os.urandom(size))
    return reply.status, reply.json()["code"]


def test_a_nas_that_turned_read_only_is_red_refuses_at_the_door_and_ends_nothing(own, client, tmp_path):
    assert is_ready(own)
    token = mint(own)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(32 * MIB))
    sender = start_curl(own, token, file)
    wait_until_taken(own, 4 * MIB)
    sender.kill()
    sender.wait()
    wait_for(lambda: curl(own, "/u", *bearer(token)).json()["state"] == "waiting", 10)
    before = curl(own, "/u", *bearer(token)).json()["uploads"][0]
    remount(own.nas, "ro")
    try:
        red_soon(own)
        assert refused(client, own) == (503, "store_unavailable")
        now = curl(own, "/u", *bearer(token)).json()["uploads"][0]
        assert (now["state"], now["offset"]) == ("waiting", before["offset"]) and before["offset"] >= 4 * MIB
    finally:
        remount(own.nas, "rw")
    green_soon(own)
    assert client.put(token, b"content").status == 201


def test_a_nas_without_inodes_is_red_and_refuses_at_the_door(own, client):
    others = own.nas / "others"
    others.mkdir()
    with contextlib.suppress(OSError):
        for number in range(300):
            (others / str(number)).touch()
    assert not is_ready(own)
    assert refused(client, own) == (507, "no_space")
    assert not own.staged()
    for path in others.iterdir():
        path.unlink()
    others.rmdir()
    assert is_ready(own) and client.put(mint(own), b"content").status == 201


def test_a_full_nas_is_red_and_refuses_at_the_door(own, client):
    with filled(own.nas):
        red_soon(own)
        assert refused(client, own) == (507, "no_space")
        assert not own.staged()
    green_soon(own)


def test_a_full_state_dir_of_the_services_tier_is_red_until_there_is_room(own, client):
    with filled(own.services_state):
        red_soon(own)
        assert refused(client, own)[0] == 503
    green_soon(own)
    assert client.put(mint(own), b"content").status == 201


def test_a_full_state_dir_of_the_web_tier_is_red_until_there_is_room(own):
    def is_up() -> bool:
        return health.nginx_answers(own.edge_port, own.keys)

    assert is_up()
    with filled(own.web_state):
        wait_for(lambda: not is_up(), 10)
    wait_for(is_up, 10)
