"""`./run demo` and `./run demo --once`: what they promise, and that they notice when it is not so."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import joserfc.jwk
import psutil
import pytest

from dev import once
from dev.paths import ROOT

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


def test_once_without_a_file_fails_and_says_why(tmp_path):
    command = [sys.executable, ROOT / "run", "demo", "--once", tmp_path / "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not a file" in done.stderr


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


def test_demo_on_a_port_in_use_names_the_option_that_cures_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, ROOT / "run", "demo", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--port" in done.stderr


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


@pytest.mark.parametrize("origin", ["https://a.example/", "a.example", 'https://a" 1; "b', "null", "*", "https://*.example"])
def test_an_origin_that_is_none_is_refused_and_reaches_no_configuration(origin):
    command = [sys.executable, ROOT / "run", "demo", "--origin", origin]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "an origin is https://name" in done.stderr
