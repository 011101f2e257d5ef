"""Whatever is killed, a file is stored once or not at all, and the sender can find out which."""

import hashlib
import os
import subprocess
import tempfile

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


def test_a_client_that_is_killed_in_the_middle_leaves_what_came_and_may_come_again(own, client, tmp_path):
    token, content = mint(own), os.urandom(64 * MIB)
    file = tmp_path / "body"
    file.write_bytes(content)
    process = start_curl(own, token, file)
    wait_until_taken(own, 4 * MIB)
    process.kill()
    process.wait()
    (upload,) = wait_for(lambda: (s := state_of(own, token))["state"] == "waiting" and s)["uploads"]
    assert upload["problem"]["code"] == "body_cut_off" and upload["offset"] >= 4 * MIB
    assert staged(own) == [upload["upload_id"]]
    assert (own.nas / "staging" / upload["upload_id"]).read_bytes() == content[: upload["offset"]]
    assert client.put(token, content).status == 201
    assert objects_with(own, content) == 1
    assert staged(own) == []


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
    (upload,) = state_of(own, token)["uploads"]
    assert (upload["state"], upload["problem"]["code"]) == ("waiting", "body_cut_off")
    assert upload["offset"] == upload["taken"], "bytes beyond the last checkpoint were not promised"
    assert client.put(token, first + rest).status == 201
    assert objects_with(own, first + rest) == 1
    assert staged(own) == []


def test_after_a_kill_an_upload_goes_on_at_its_last_checkpoint(own, tmp_path):
    token, content = mint(own), os.urandom(128 * MIB)
    (tmp_path / "body").write_bytes(content)
    process = start_curl(own, token, tmp_path / "body")
    saved = wait_for(lambda: (u := state_of(own, token)["uploads"]) and u[0]["offset"] and u[0])
    own.kill("uploads")
    process.wait(60)
    own.start_process("uploads")
    (upload,) = state_of(own, token)["uploads"]
    assert (upload["upload_id"], upload["state"]) == (saved["upload_id"], "waiting")
    assert saved["offset"] <= upload["offset"] < len(content)
    file = own.nas / "staging" / upload["upload_id"]
    assert file.read_bytes()[: upload["offset"]] == content[: upload["offset"]]
    told = append(own, token, upload["upload_id"], upload["offset"], content[upload["offset"] :])
    assert told.status == 204, told.body
    state = state_of(own, token)
    assert state["state"] == "committed"
    assert state["uploads"][0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert objects_with(own, content) == 1
    assert staged(own) == []


def append(stack, token: str, upload_id: str, offset: int, content: bytes):
    """A tus PATCH."""
    fields = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    options = [part for name, value in fields.items() for part in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return curl(stack, f"/u/{upload_id}", "-X", "PATCH", "--data-binary", f"@{file.name}", *options, *bearer(token))


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
    if state_of(own, token)["state"] in ("unused", "aborted", "waiting"):
        assert client.put(token, content).status == 201
    state = state_of(own, token)
    assert state["state"] == "committed"
    assert state["uploads"][-1]["sha256"] == hashlib.sha256(content).hexdigest()
    assert client.put(token, content).status == 409
    assert objects_with(own, content) == 1
    own.manage("services_app", "recover")
    assert staged(own) == []
    manifests = list(own.nas.glob(f"collections/*/*/*/{state['uploads'][-1]['upload_id']}/*.manifest.json"))
    assert len(manifests) == 1
    own.manage("services_app", "verify_ledger")


def _is_traced(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as status:
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in status)
