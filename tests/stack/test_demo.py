"""`./run demo` and `./run demo --once`: what they promise, and that they notice when it is not so."""

import json
import os
import signal
import subprocess
import sys
import time

import joserfc.jwk
import psutil
import pytest

from dev import once
from dev.client import Client
from dev.paths import ROOT
from dev.stack import Stack
from tests.waiting import wait_for

STARTER = """
import sys, time
from pathlib import Path
from dev.processes import end_in_order_when_told
from dev.stack import Stack
end_in_order_when_told()
with Stack(Path(sys.argv[1])) as stack:
    print(*(pid for name in stack.services for pid in stack.pids(name)), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a scan.bin"
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_once_sends_a_file_checks_everything_and_reports_it(tmp_path, file):
    done = subprocess.run(
        [sys.executable, ROOT / "run", "demo", "--once", file, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] is True
    assert result["bytes"] == 3_000_000
    assert result["stored"].startswith("collections/demo/") and result["stored"].endswith("/a scan.bin")
    assert {name.split()[0] for name in result["web_tier_bytes_written"]} == {"nginx", "web_app"}


def test_once_notices_when_other_bytes_are_stored(stack, file, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.write_bytes(b"other")
    monkeypatch.setattr(stack, "stored", lambda upload_id: other)
    with pytest.raises(once.NotHeld, match="stored file's SHA-256"):
        once.send_once(stack, file)


def test_once_notices_a_receipt_that_no_published_key_signed(stack, file, monkeypatch):
    stranger = joserfc.jwk.OKPKey.generate_key("Ed25519", auto_kid=True)
    published = joserfc.jwk.KeySet([stranger]).as_dict(private=False)
    monkeypatch.setattr(once.Client, "receipt_keys", lambda self: published)
    with pytest.raises(once.NotHeld, match="signature does not verify"):
        once.send_once(stack, file)


def test_once_notices_a_web_tier_that_writes(stack, file, monkeypatch):
    counts = iter([{"nginx master": 0}, {"nginx master": file.stat().st_size}])
    monkeypatch.setattr(once, "_written", lambda stack: next(counts))
    with pytest.raises(once.NotHeld, match="wrote"):
        once.send_once(stack, file)


def test_the_demos_stack_files_receipts_that_nobody_handed_in_and_stops_that_too(tmp_path):
    with Stack(tmp_path / "state", reconcile_every=1) as own:
        client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
        grant = client.new_grant(own.collection)
        assert client.put(grant["token"], b"content").status == 201
        state = lambda: client.call("GET", f"/api/v1/uploads/{grant['id']}").json()["state"]  # noqa: E731
        wait_for(lambda: state() == "complete")
        (pid,) = own.pids("reconcile")
    assert not lives(pid)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(tmp_path, how):
    command = [sys.executable, "-c", STARTER, tmp_path / "state"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as starter:
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        assert len(pids) >= 8, "master and worker of nginx, web_app and both listeners"
        starter.send_signal(how)
        starter.wait(30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(lives, pids)):
        time.sleep(0.1)
    assert [pid for pid in pids if lives(pid)] == []


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
