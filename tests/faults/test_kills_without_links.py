"""As test_kills.py, on stores that make no links: a file is stored once, whole, or not at all, wherever a process is killed (ADR 0047)."""

import os
import subprocess

import pytest

from dev.client import Client
from dev.stack import Stack
from tests.faults.test_kills import MIB, objects_with, staged, state_of
from tests.faults.traced import is_traced
from tests.fuse_store import NO_LINKS, NO_NOREPLACE, fuse_store
from tests.tokens import mint
from tests.waiting import wait_for

LACKS = {"rename": (NO_LINKS,), "folder": (NO_LINKS, NO_NOREPLACE)}


@pytest.fixture(scope="module", params=LACKS)
def own(request, tmp_path_factory):
    state = tmp_path_factory.mktemp("no-links")
    with fuse_store(state / "nas", *LACKS[request.param]), Stack(state) as stack:
        yield stack


# The other steps one by one, with a store of this process: tests/services_app/test_ways.py.
POINTS = {
    "as the object gets its name": ("renameat,renameat2", 1),
    "behind that, before its folder is durable": ("fchmod", 1),
    "as it is committed": ("fdatasync", 3),
}


@pytest.mark.parametrize("at", POINTS)
def test_killed_at_any_point_of_the_commit_the_object_exists_once_and_is_accounted_for(own, at):
    calls, when = POINTS[at]
    client, token, content = Client(own.edge_port, own.keys.edge_ca, own.api_key), mint(own), os.urandom(9 * MIB)
    worker = own.pids("uploads")[-1]
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={when}")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(worker), *inject, "-o", "/dev/null"])
    try:
        wait_for(lambda: is_traced(worker))
        assert client.put(token, content).status == 503, "it was killed"
    finally:
        own.kill("uploads")
        tracer.wait(10)
    seen = [file for file in own.nas.glob("collections/*/*/*/*/*") if file.stat().st_size not in (0, len(content))]
    assert [file for file in seen if not file.name.endswith(".manifest.json")] == [], "never a part of it"
    own.start_process("uploads")
    if state_of(own, token)["state"] in ("unused", "aborted", "waiting"):
        assert client.put(token, content).status == 201
    # Also of a file that is too long to be read while somebody waits.
    assert state_of(own, token)["state"] == "committed"
    assert client.put(token, content).status == 409 and objects_with(own, content) == 1
    own.manage("services_app", "recover")
    assert staged(own) == []
    assert not [folder for folder in own.nas.glob("collections/*/*/*/*") if not any(folder.iterdir())]
    own.manage("services_app", "verify_ledger")
