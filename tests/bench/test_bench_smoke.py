"""The bench runs, tells spooling from streaming, and its relay delays. No figure is tested: ./run bench is for that."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dev.paths import ROOT
from tests.bench import options
from tests.bench.client import BLOCK, blocks, digest
from tests.bench.relay import Relay
from tests.bench.targets import TARGETS

SIZE = 12  # MiB: two appends of the smaller kind


def test_the_names_that_can_be_asked_for_are_those_of_the_targets():
    assert list(options.NAMES) == list(TARGETS)


@pytest.fixture(scope="module")
def result() -> dict:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--size", str(SIZE), "--targets"]
    command.append("sluice,sluice-resumed,sluice-appends-8,inhouse,dav")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    if "Another ./run bench" in done.stderr:
        pytest.skip("a bench is running on this machine")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(Path(done.stdout.rpartition("JSON: ")[2].strip()).read_text())


def test_every_target_stores_what_was_sent(result):
    for run in result["runs"]:
        assert run["error"] == ""
        assert 0 < run["tail"] < run["wall"]
    # An nginx without the DAV module cannot be the floor; everything else must have run.
    assert {"sluice", "sluice-resumed", "sluice-appends-8", "inhouse"} <= {run["target"] for run in result["runs"]}


def test_the_meter_sees_no_body_byte_written_by_sluices_web_tier(result):
    assert [aim["held"] for aim in result["aims"] if "no body byte" in aim["text"]] == [True]


def test_the_meter_sees_the_replaced_design_spool_the_body_twice(result):
    """The positive control of the test above."""
    (cost,) = (run["cost"] for run in result["runs"] if run["target"] == "inhouse")
    assert cost["web_written"] >= 2 * SIZE << 20
    assert any(path.startswith("edge/temp/body/") for path in cost["web_files"])
    assert any(path.startswith("web-temp/") for path in cost["web_files"])


def test_a_body_is_the_same_again_for_its_seed_and_repeats_no_block():
    size = 3 * BLOCK + 5
    sent = b"".join(bytes(block) for block in blocks(size, seed=7))
    assert len(sent) == size
    assert len({sent[start : start + BLOCK] for start in range(0, size, BLOCK)}) == 4
    rest = b"".join(bytes(block) for block in blocks(size, seed=7, start=BLOCK + 9))
    assert rest == sent[BLOCK + 9 :]
    assert digest(size, 7) == hashlib.sha256(sent).hexdigest() != digest(size, 8)


def test_the_relay_holds_bytes_back_for_half_a_round_trip_each_way_and_passes_the_end_on():
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_echo_once, args=(server,), daemon=True).start()
    with Relay(server.getsockname()[1], round_trip=0.2) as relay:
        with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client:
            started = time.monotonic()
            client.sendall(b"there and back")
            client.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: client.recv(100), b"")) == b"there and back"
            assert time.monotonic() - started >= 0.2
    server.close()


def _echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)
