"""Whatever is killed, a file is stored once or not at all, and the sender can find out which."""

import hashlib
import io
import os
import signal
import subprocess
import tarfile
import tempfile

import psutil
import pytest

from tests.curl import bearer, curl
from tests.faults.slow_sender import Sender, start_curl, wait_until_taken
from tests.faults.traced import is_traced
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20


def state_of(stack, token: str) -> dict:
    return curl(stack, "/u", *bearer(token)).json()


def staged(stack) -> list[str]:
    return [entry.name for entry in stack.staged()]


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
    "as the upload begins": ("fdatasync", 1),
    "at its collection's folder": ("fsync", 1),
    "at the folder of the year": ("fsync", 2),
    "at the folder of the month": ("fsync", 3),
    "at the bytes": ("fsync", 4),
    "as its commit begins": ("fdatasync", 2),
    "as the object gets its name": ("linkat", 1),
    "at the object's folder": ("fsync", 5),
    "as it is committed": ("fdatasync", 3),
    "as the staged name goes": ("unlinkat,unlink", 1),
}
BEHIND_THE_ANSWER = {
    "at the manifest": ("fsync", 6),
    "as the manifest gets its name": ("renameat,rename,renameat2", 1),
    "at the manifest's folder": ("fsync", 7),
}


POINTS = [pytest.param(*at, 503, id=name) for name, at in CRASH_POINTS.items()] + [
    pytest.param(*at, 201, id=name) for name, at in BEHIND_THE_ANSWER.items()
]


@pytest.mark.parametrize(("calls", "when", "told"), POINTS)
def test_killed_at_any_point_of_the_commit_the_object_exists_once_and_is_accounted_for(own, client, calls, when, told):
    token, content = mint(own), os.urandom(2 * MIB)
    worker = own.pids("uploads")[-1]
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={when}")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(worker), *inject, "-o", "/dev/null"])
    try:
        wait_for(lambda: is_traced(worker))
        reply = client.put(token, content)
        assert reply.status == told
        wait_for(lambda: own.pids("uploads")[-1] != worker)  # killed behind the answer, it may take a moment
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
    assert not [folder for folder in own.nas.glob("collections/*/*/*/*") if not any(folder.iterdir())]
    own.manage("services_app", "verify_ledger")


def test_killed_as_a_folder_is_unpacked_none_of_its_files_is_seen_until_all_are(own, client):
    files = {f"series/{number % 5}/{number}.dcm": os.urandom(1000) for number in range(100)}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "sluice folder"}) as tar:
        for path, content in files.items():
            (info := tarfile.TarInfo(path)).size = len(content)
            tar.addfile(info, io.BytesIO(content))
    token, worker = mint(own, unpack_folders=True), own.pids("uploads")[-1]
    # The first is that of the archive, as it is published; the others close folders, when all files are written.
    inject = ("-e", "trace=fchmod", "-e", "inject=fchmod:signal=SIGKILL:when=3")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(worker), *inject, "-o", "/dev/null"])
    try:
        wait_for(lambda: is_traced(worker))
        os.kill(own.pids("uploads")[0], signal.SIGSTOP)  # the master: no new worker goes on before we have looked
        assert client.put(token, whole.getvalue()).status == 201
        wait_for(lambda: psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)
    finally:
        own.kill("uploads")
        tracer.wait(10)
    (upload,) = state_of(own, token)["uploads"]
    (archive,) = own.nas.glob(f"collections/*/*/*/{upload['upload_id']}/*[!n]")
    assert upload["folder"] == "unpacking" and archive.read_bytes() == whole.getvalue()
    assert not archive.with_name(f"{archive.name}.unpacked").exists() and len(staged(own)) == 1
    own.start_process("uploads")
    wait_for(lambda: state_of(own, token)["uploads"][0]["folder"] == "unpacked")
    tree = archive.with_name(f"{archive.name}.unpacked") / "files"
    assert {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*.dcm")} == files
    assert staged(own) == []
