"""`./run faults` in its short form, and its judge where it is lied to."""

import collections
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import types
from http.client import HTTPMessage

import pytest

from dev.client import Client, Reply
from dev.paths import ROOT
from dev.pki import Pki
from tests.conftest import absent
from tests.faults.rounds import judge, kinds, plan, play
from tests.faults.rounds.senders import Sender
from tests.tokens import mint

# The other controls start a stack each; the long form plays them, and what is not relied on yet (docs/faults.md).
SHORT = [kind.name for kind in kinds.ALL if not kind.lie and kind.name not in ("postgresql-killed", "power-lost")]


@pytest.mark.timeout(900)
def test_each_fault_is_played_and_what_the_senders_were_told_is_true():
    command = [sys.executable, ROOT / "run", "faults", "--rounds", "1", "--stall", "1", "--seed", "1", "--json"]
    done = subprocess.run([*command, "--only", *SHORT], cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    rows = {row["kind"]: row for row in told["kinds"]}
    wrong = {name: row["findings"] for name, row in rows.items() if not row["right"]}
    assert not wrong, json.dumps(wrong, indent=1) + done.stderr
    assert done.returncode == 0, done.stderr
    assert list(rows) == [*SHORT, "afterwards"]
    if skipped := {row["verdict"] for row in rows.values() if not row["rounds"]}:
        absent(", ".join(skipped))
    assert rows["control-no-fsync"]["findings"], "the control"


# -- the judge ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory):
    """Enough of a stack for senders that are answered by a test."""
    folder = tmp_path_factory.mktemp("nowhere")
    return types.SimpleNamespace(
        nas=folder / "nas", keys=Pki(folder / "pki"), edge_port=1, api_key="", collection="demo"
    )


def answered(nowhere, *replies: tuple[int, dict, bytes]) -> Sender:
    """A tus sender of 100 bytes in two requests, at its end, which was given these answers."""
    sending = plan.Sending("tus", bytes(100), (50, 100), at_once=False, hold=None, cuts=(), starts_over=False)
    sender, left = Sender(nowhere, sending, threading.Event()), list(replies)

    def send(*_request):
        if not left:
            raise StopIteration  # anything that ends it
        status, fields, body = left.pop(0)
        headers = HTTPMessage()
        for name, value in fields.items():
            headers[name] = str(value)
        return Reply(status, headers, body, 0, 0, 0)

    sender._wire = types.SimpleNamespace(send=send)
    sender.run()
    return sender


CREATED = (201, {"Location": "/u/some-id"}, b"")
HALF = (204, {"Upload-Offset": 50}, b"")
BUSY = (503, {"Retry-After": 1}, b"")
UNTRUE = {
    "50 bytes were acknowledged, and then 49": [CREATED, HALF, BUSY, (200, {"Upload-Offset": 49}, b"")],
    "50 bytes were acknowledged, and then 0": [CREATED, HALF, BUSY, (200, {"Upload-Offset": 0}, b"")],
    "101 bytes were acknowledged of 100": [CREATED, (204, {"Upload-Offset": 101}, b"")],
    "an upload is gone (410) of which 50 bytes were acknowledged": [CREATED, HALF, BUSY, (410, {}, b"")],
    "an upload is gone (404) of which 0 bytes were acknowledged": [CREATED, BUSY, (404, {}, b"")],
    "PATCH was answered 500": [CREATED, (500, {}, b"")],
    "PATCH was answered 502": [CREATED, (502, {}, b"")],
    "PATCH was answered 503  without Retry-After": [CREATED, (503, {}, b"")],
    "a receipt that is not genuine: malformed": [CREATED, (201, {}, b'{"receipt": "made up"}')],
    "all was acknowledged, and its upload is aborted": [
        CREATED,
        (204, {"Upload-Offset": 100}, b""),
        (200, {}, b'{"uploads": [{"upload_id": "some-id", "state": "aborted"}]}'),
    ],
}


@pytest.mark.parametrize("complaint", UNTRUE)
def test_a_sender_complains_of_each_answer_that_no_honest_store_gives(nowhere, complaint):
    assert complaint in answered(nowhere, *UNTRUE[complaint]).complaints


def test_a_sender_that_is_told_to_come_again_and_finds_what_it_was_promised_has_nothing_to_complain_of(nowhere):
    fair = answered(nowhere, CREATED, HALF, BUSY, (200, {"Upload-Offset": 50}, b""), (409, {}, b""), (423, {"Retry-After": 1}, b""))
    assert [one for one in fair.complaints if "made no sense" not in one] == []


def told(nas, content: bytes, **differs):
    """A sender with a receipt for these bytes, which stand in the store."""
    sending = plan.Sending("put", content, (len(content),), at_once=True, hold=None, cuts=(), starts_over=False)
    says = {"upload_id": "one", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    folder = nas / "collections/demo/2026/01/one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "upload").write_bytes(content)
    (folder / "upload.manifest.json").touch()
    return types.SimpleNamespace(sending=sending, complaints=[], told=types.SimpleNamespace(**(says | differs))), folder


def test_the_judge_finds_a_receipt_that_is_not_about_what_stands_in_the_store(tmp_path):
    sender, folder = told(tmp_path, b"content")
    assert judge.of_senders(tmp_path, [sender]) == []
    (folder / "upload").write_bytes(b"CONTENT")
    assert judge.of_senders(tmp_path, [sender]) == ["upload one: a receipt, and other bytes in the store"]
    (folder / "another").touch()
    assert judge.of_senders(tmp_path, [sender]) == ["upload one: a receipt, and 2 files in the store"]
    (folder / "another").unlink()
    (folder / "upload").unlink()
    assert judge.of_senders(tmp_path, [sender]) == ["upload one: a receipt, and 0 files in the store"]
    other, _ = told(tmp_path, b"content", sha256="0" * 64)
    assert judge.of_senders(tmp_path, [other]) == ["upload one: a receipt for other bytes than were sent"]
    other.told = None
    assert judge.of_senders(tmp_path, [other]) == ["put, 7 bytes: no receipt in the end"]


@pytest.mark.timeout(600)
def test_the_judge_finds_what_is_left_over_in_a_store_and_what_nobody_was_told_of(own):
    client = Client(own.edge_port, own.keys.edge_ca)
    first, second, third = (client.put(mint(own), os.urandom(1000)).json()["upload_id"] for _ in range(3))
    files = [own.stored(one) for one in (first, second, third)]
    assert judge.of_store(own, [first, second, third]) == []
    files[0].with_name(".left").touch()
    files[1].chmod(0o640)
    files[1].write_bytes(os.urandom(1000))
    (own.nas / "staging" / "left").touch()
    found = judge.of_store(own, [first, second])
    assert {
        "left in staging: left",
        f"upload {first}: 3 files where one and its manifest should be",
        f"upload {third}: stored, and nobody was told",
    } <= set(found)
    assert any(line.startswith("verify_store: ") for line in found)


def test_a_control_is_right_where_its_very_lie_was_found_and_nothing_is_right_that_was_not_played():
    row = play.Row("control", "lie")
    assert not row.is_right and row.goes_on
    row.findings.append("something else")
    assert not row.is_right and row.goes_on
    row.findings.append("the lie")
    assert row.is_right and not row.goes_on
    row.unplayed.append("not mounted")
    assert not row.is_right
    assert play.Row("kind").is_right and not play.Row("kind", findings=["one"]).is_right


def test_a_seed_gives_the_same_rounds_and_most_files_are_tiny_and_met_in_each_protocol():
    rounds = [plan.sendings(random.Random(f"7 {number}")) for number in range(100)]
    assert rounds[3] == plan.sendings(random.Random("7 3"))
    sent = [one for each in rounds for one in each]
    assert set(collections.Counter(one.protocol for one in sent)) == set(plan.PROTOCOLS)
    assert sum(one.size <= 4096 for one in sent) > len(sent) / 2
    assert sum(one.hold is not None and any(end <= one.hold for end in one.ends) for one in sent) > 50, "behind an acknowledged byte"
