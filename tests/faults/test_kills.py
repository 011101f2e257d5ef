"""Whatever is killed, a file is stored once or not at all, and the sender can find out which."""

import hashlib
import os
import subprocess

import pytest

from tests.curl import bearer, curl
from tests.faults.slow_sender import Sender, start_curl, wait_until_taken
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20


def state_of(stack, token: str) -> dict:
    return curl(stack, "/u", *bearer(token)).json()


def staged(stack) -> list[str]:
    return [entry.name for entry in (stack.nas / "staging").iterdir()]


def objects_with(stack, content: bytes) -> int:
    digest = hashlib.sha256(content).hexdigest()
    files = [f for f in stack.nas.glob("collections/*/*/*/*/*") if not f.name.endswith(".manifest.json")]
    return sum(hashlib.sha256(f.read_bytes()).hexdigest() == digest for f in files)


def test_a_client_that_is_killed_in_the_middle_leaves_nothing_and_may_come_again(own, client, tmp_path):
    token, content = mint(own), os.urandom(64 * MIB)
    file = tmp_path / "body"
    file.write_bytes(content)
    process = start_curl(own, token, file)
    wait_until_taken(own, 4 * MIB)
    process.kill()
    process.wait()
    state = wait_for(lambda: (s := state_of(own, token))["state"] == "aborted" and s)
    assert state["problem"]["code"] == "body_cut_off"
    assert staged(own) == []
    assert client.put(token, content).status == 201
    assert objects_with(own, content) == 1


def test_services_app_killed_in_the_middle_is_a_503_and_the_same_token_works_again(own, client):
    token, first, rest = mint(own), os.urandom(16 * MIB), os.urandom(16 * MIB)
    sender = Sender(own, token, first, rest)
    wait_until_taken(own, 8 * MIB)
    own.kill("uploads")
    sender.go_on()
    reply = sender.reply()
    assert (reply.status, reply.headers.get_content_type()) == (503, "application/problem+json")
    assert int(reply.headers["Retry-After"]) > 0
    own.start_process("uploads")
    assert state_of(own, token)["state"] == "aborted"
    assert staged(own) == []
    assert client.put(token, first + rest).status == 201
    assert objects_with(own, first + rest) == 1


def test_services_app_asked_to_stop_lets_a_running_upload_end(own):
    token, first, rest = mint(own), os.urandom(16 * MIB), os.urandom(16 * MIB)
    sender = Sender(own, token, first, rest)
    wait_until_taken(own, 8 * MIB)
    own.services["uploads"].ask_to_stop()
    # The listener closes first; from then on new uploads are told to come back.
    refused = wait_for(lambda: (a := curl(own, "/u", "-T", "/dev/null", *bearer(mint(own)))).status == 503 and a)
    assert refused.json()["code"] == "draining"
    assert "retry-after" in refused.headers
    sender.go_on()
    reply = sender.reply()
    assert reply.status == 201
    assert reply.json()["sha256"] == hashlib.sha256(first + rest).hexdigest()
    own.stop_process("uploads")
    own.start_process("uploads")


CRASH_POINTS = {
    "at the first flush to disk": ("fsync", 1),
    "at the second flush to disk": ("fsync", 2),
    "at the third flush to disk": ("fsync", 3),
    "as the object gets its name": ("linkat", 1),
    "as the staged name goes": ("unlinkat,unlink", 1),
    "as the manifest gets its name": ("renameat,rename,renameat2", 1),
}


@pytest.mark.parametrize(("calls", "when"), CRASH_POINTS.values(), ids=list(CRASH_POINTS))
def test_killed_at_any_point_of_the_commit_the_object_exists_once_and_is_accounted_for(own, client, calls, when):
    token, content = mint(own), os.urandom(2 * MIB)
    worker = own.pids("uploads")[-1]
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={when}")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(worker), *inject, "-o", "/dev/null"])
    try:
        wait_for(lambda: _is_traced(worker))
        reply = client.put(token, content)
        assert reply.status == 503
    finally:
        own.kill("uploads")
        tracer.wait(10)
    own.start_process("uploads")
    if state_of(own, token)["state"] in ("unused", "aborted"):
        assert client.put(token, content).status == 201
    state = state_of(own, token)
    assert state["state"] == "committed"
    assert state["uploads"][-1]["sha256"] == hashlib.sha256(content).hexdigest()
    assert client.put(token, content).status == 409
    assert objects_with(own, content) == 1
    assert staged(own) == []
    own.manage("services_app", "recover")
    manifests = list(own.nas.glob(f"collections/*/*/*/{state['uploads'][-1]['upload_id']}/*.manifest.json"))
    assert len(manifests) == 1
    own.manage("services_app", "verify_ledger")


def _is_traced(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as status:
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in status)
