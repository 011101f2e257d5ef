"""What was found of a stored file: clamd itself looks, what it cannot look at is not clean, and people, the NAS and the ledger agree."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from services_app.ledger.models import Entry
from services_app.outbox import turns
from services_app.outbox.models import Delivery, State
from services_app.status import report
from services_app.store.errors import StoreUnavailable
from services_app.uploads import actions, removal, verdicts
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing
from tests.services_app.handing import hand_on, process_one_round, script, stored, write_hooks
from tests.services_app.making import a_zip, now_of, receipt_claims
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

BAD = b"what our own signature is for: sluice-test-7731"
SCAN = {"name": "clamav", "kind": "clamd", "required": True, "max_size": 1 << 20}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(turns, "pause", lambda attempts: 0)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory):
    """Debian's, with one signature of our own, and its socket."""
    binary = shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("clamd is missing.\n  sudo apt install clamav-daemon")
        pytest.skip("clamd is missing.\n  sudo apt install clamav-daemon")
    folder = tmp_path_factory.mktemp("clamd")
    (folder / "db").mkdir()
    (folder / "db" / "own.ndb").write_text(f"Sluice.Test-1:0:*:{BAD.hex()}\n")
    settings = {
        "DatabaseDirectory": folder / "db",
        "LocalSocket": folder / "socket",
        "Foreground": "yes",
        "AlertExceedsMax": "yes",
    }
    settings |= {"StreamMaxLength": "2M", "MaxFileSize": "1M", "MaxScanSize": "2M", "MaxThreads": 2, "LogFile": folder / "log"}
    (folder / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    folder.chmod(0o755)
    process = subprocess.Popen(
        [binary, "--config-file", folder / "clamd.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: (folder / "socket").exists() or process.poll() is not None, 60)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"unix:{folder / 'socket'}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def hooks(known_store, settings, tmp_path):
    return lambda *tables: write_hooks(settings, tmp_path / "hooks.toml", *tables)


@pytest.fixture
def judged(hooks, tmp_path):
    """A function: HOOKS_FILE with one program that ends with this status, whose verdict is required."""
    return lambda status, **more: hooks({"command": script(tmp_path / "hook", f"exit {status}"), "required": True, **more})


def beside(settings, upload) -> dict:
    """What lies on the NAS as its verdict; nothing where there is none."""
    path = settings.NAS_ROOT / "collections" / f"{actions.object_name(upload)}.verdict.json"
    return json.loads(path.read_text()) if path.exists() else {}


def mode(settings, upload) -> int:
    return stat.S_IMODE((settings.NAS_ROOT / "collections" / actions.object_name(upload)).stat().st_mode)


def events(upload) -> list[str]:
    return list(Entry.objects.filter(upload_id=upload.id).order_by("seq").values_list("event", flat=True))


def standing(upload) -> Standing:
    return verdicts.standing(now_of(upload))


def test_clamd_releases_what_is_clean_and_quarantines_what_it_knows(hooks, clamd, settings, receipt_key):
    hooks(SCAN | {"address": clamd})
    clean, bad = stored(b"nothing" * 1000), stored(BAD)
    receipts = clean.receipt, bad.receipt
    assert (standing(clean), standing(bad)) == (Standing.CHECKING, Standing.CHECKING)
    assert hand_on() == "done=1 found=1"
    assert (standing(clean), standing(bad)) == (Standing.RELEASED, Standing.QUARANTINED)
    assert [one.said for one in Delivery.objects.order_by("seq")] == ["clean", "Sluice.Test-1.UNOFFICIAL"]
    assert events(clean) == ["committed", "released"] and events(bad) == ["committed", "quarantined"]
    for upload, verdict in ((clean, "released"), (bad, "quarantined")):
        said = beside(settings, upload)
        assert receipt_claims(said.pop("statement"), receipt_key).items() >= said.items()
        assert (said["upload_id"], said["sha256"], said["verdict"]) == (str(upload.id), upload.sha256, verdict)
        assert said["by"] == ["clamav"] and said.get("found", "") in ("", "Sluice.Test-1.UNOFFICIAL")
    assert (mode(settings, clean), mode(settings, bad)) == (0o440, 0o400)
    assert (now_of(clean).receipt, now_of(bad).receipt) == receipts


@pytest.mark.parametrize(
    ("content", "max_size", "said"),
    [
        (os.urandom(1500 << 10), 1 << 20, "larger_than_max_size"),
        (os.urandom(1500 << 10), 4 << 20, "Heuristics.Limits.Exceeded.MaxFileSize"),
        (os.urandom(3 << 20), 4 << 20, "stream_max_length"),
    ],
    ids=["ours", "its_own", "its_stream"],
)
def test_what_clamd_cannot_look_at_whole_is_neither_clean_nor_quarantined(hooks, clamd, settings, content, max_size, said):
    hooks(SCAN | {"address": clamd, "max_size": max_size})
    upload = stored(content)
    assert hand_on() == "failed=1"
    assert Delivery.objects.get().said == said
    assert (standing(upload), beside(settings, upload), events(upload)) == (Standing.CHECKING, {}, ["committed"])
    assert hand_on(release=upload.id) == f"released: {upload.id}"
    assert (Delivery.objects.get().state, report.report()["hooks"][0]["failed"]) == (State.DONE, 0)


class Clamd(threading.Thread):
    """One that says `reply` to all that it is sent, once it has `taken` so many bytes (None: all of them), over TCP."""

    def __init__(self, reply: bytes, taken: int | None = None, *, drains: bool = False):
        super().__init__(daemon=True)
        self.drains, self.drained = drains, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._listening.getsockname()[1]}"
        self.reply, self.taken, self.got, self.largest = reply, taken, b"", 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError), self._listening:
            connection, _ = self._listening.accept()
            with connection, connection.makefile("rb") as came:
                assert came.read(10) == b"zINSTREAM\0"
                while size := int.from_bytes(came.read(4)):
                    self.largest = max(self.largest, size)
                    self.got += came.read(size)
                    if self.taken is not None and len(self.got) >= self.taken:
                        break
                connection.sendall(self.reply)
                while self.drains and (piece := came.read1()):
                    self.drained += len(piece)


@pytest.mark.parametrize(
    ("reply", "taken", "said", "state"),
    [
        (b"stream: OK\0", None, "clean", State.DONE),
        (b"stream: OK\0", 1000, "other_bytes", State.WAITING),
        (b"", None, "cut_off", State.WAITING),
        (b"stream: OK", None, "cut_off", State.WAITING),
        (b"stream: O\0", None, "clamd_error", State.WAITING),
        (b"stream: Can't allocate memory ERROR\0", None, "clamd_error", State.WAITING),
        (b"INSTREAM size limit exceeded. ERROR\0", None, "stream_max_length", State.FAILED),
        (b"stream: a <b> \xff" + b"x" * 200 + b" FOUND\0", None, ("a__b___" + "x" * 200)[:80], State.FOUND),
        (b"x" * 5000, None, "cut_off", State.WAITING),
    ],
)
def test_only_one_answer_to_the_very_bytes_is_clean(hooks, reply, taken, said, state):
    server = Clamd(reply, taken)
    hooks(SCAN | {"address": server.address, "max_size": 1 << 30})
    # More than lies between the two, where it does not take all.
    upload = stored(os.urandom(900 << 10) if taken is None else bytes(32 << 20))
    process_one_round()
    delivery = Delivery.objects.get()
    assert (delivery.said, delivery.state) == (said, state)
    if taken is None:
        assert hashlib.sha256(server.got).hexdigest() == upload.sha256 and server.largest <= 256 << 10
    assert standing(upload) == {State.DONE: Standing.RELEASED, State.FOUND: Standing.QUARANTINED}.get(state, Standing.CHECKING)


def test_what_it_refuses_in_the_middle_is_not_sent_to_its_end(hooks):
    server = Clamd(b"INSTREAM size limit exceeded. ERROR\0", 1000, drains=True)
    hooks(SCAN | {"address": server.address, "max_size": 1 << 30})
    upload = stored(bytes(32 << 20))
    assert hand_on() == "failed=1"
    server.join()
    assert len(server.got) + server.drained < upload.size // 2


def test_bytes_that_are_not_those_that_were_stored_are_not_clean(hooks, clamd, settings):
    hooks(SCAN | {"address": clamd})
    upload = stored(b"1")
    path = settings.NAS_ROOT / "collections" / actions.object_name(upload)
    path.chmod(0o640)
    path.write_bytes(b"2" * upload.size)
    process_one_round()
    assert (Delivery.objects.get().said, standing(upload)) == ("other_bytes", Standing.CHECKING)


def test_nobody_there_and_one_that_never_answers_come_again(hooks):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hooks(SCAN | {"address": f"tcp:127.0.0.1:{silent.getsockname()[1]}", "timeout": 1})
        upload = stored()
        process_one_round(10)
        assert Delivery.objects.get().said == "timeout"
    process_one_round(10)
    assert (Delivery.objects.get().said, standing(upload)) == ("ConnectionRefusedError", Standing.CHECKING)


def test_one_that_finds_something_quarantines_also_what_needs_no_verdict(hooks, clamd, settings):
    hooks(SCAN | {"address": clamd, "required": False})
    clean, bad = stored(b"1"), stored(BAD)
    assert (standing(clean), standing(bad)) == (Standing.STORED, Standing.STORED)
    assert hand_on() == "done=1 found=1"
    assert (standing(clean), standing(bad)) == (Standing.STORED, Standing.QUARANTINED)
    assert beside(settings, clean) == {}


def test_all_that_must_look_have_looked_before_it_is_released_and_one_that_finds_something_is_enough(hooks, tmp_path, settings):
    first = {"name": "one", "required": True, "command": script(tmp_path / "one", "exit 0")}
    second = script(tmp_path / "two", f"[ -e {tmp_path}/open ] || exit 9; exit $(cat {tmp_path}/open)")
    hooks(first, {"name": "two", "required": True, "command": second})
    good, bad = stored(b"1"), stored(b"2")
    process_one_round()
    assert (standing(good), beside(settings, good)) == (Standing.CHECKING, {})
    (tmp_path / "open").write_text("0")
    process_one_round()
    assert (standing(good), beside(settings, good)["by"]) == (Standing.RELEASED, ["one", "two"])
    (tmp_path / "open").write_text("1")
    process_one_round()
    assert (standing(bad), beside(settings, bad)["by"]) == (Standing.QUARANTINED, ["two"])


def test_a_hook_that_is_required_no_more_holds_nothing_up(hooks, tmp_path):
    first = {"name": "one", "required": True, "command": ["/bin/true"]}
    hooks(first, {"name": "two", "required": True, "command": ["/bin/sh", "-c", "exit 9"]})
    upload = stored()
    process_one_round()
    assert standing(upload) == Standing.CHECKING
    hooks(first)
    process_one_round()
    assert standing(upload) == Standing.RELEASED


def test_a_verdict_that_a_killed_worker_or_an_absent_store_left_out_is_given_later(judged, monkeypatch, settings):
    judged(0)
    upload = stored()
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "put", lambda *args, **more: (_ for _ in ()).throw(StoreUnavailable("EIO")))
        process_one_round()
        assert (Delivery.objects.get().state, standing(upload), events(upload)) == (State.DONE, Standing.CHECKING, ["committed"])
    process_one_round()
    assert (standing(upload), beside(settings, upload)["verdict"]) == (Standing.RELEASED, "released")
    # Killed behind the NAS: the row is written by who comes next, with the program not run again.
    Upload.objects.update(verdict="")
    Delivery.objects.all().delete()
    turns_before = Entry.objects.count()
    judged(1, name="index", since="2020-01-02T00:00:00Z")
    assert hand_on() == "done=1"
    assert (Delivery.objects.get().said, standing(upload), Entry.objects.count()) == ("kept", Standing.RELEASED, turns_before + 1)


def test_an_operator_has_the_last_word_and_the_ledger_says_so(hooks, judged, settings, tmp_path):
    judged(1)
    upload = stored()
    assert (hand_on(), standing(upload), mode(settings, upload)) == ("found=1", Standing.QUARANTINED, 0o400)
    assert report.report()["stored"]["quarantined"] == 1
    listed = StringIO()
    call_command("outbox", list=True, stdout=listed)
    assert f"quarantined  {upload.id}\n" in listed.getvalue()
    assert hand_on(release=upload.id) == f"released: {upload.id}"
    assert (standing(upload), mode(settings, upload), beside(settings, upload)["by"]) == (Standing.RELEASED, 0o440, ["operator"])
    judge = {"command": script(tmp_path / "hook", "exit 1"), "required": True}
    hooks(judge, {"name": "later", "command": ["/bin/true"], "required": True})
    assert (hand_on(), standing(upload)) == ("done=1", Standing.RELEASED)
    assert hand_on(quarantine=upload.id) == f"quarantined: {upload.id}"
    hooks({"name": "last", "command": ["/bin/true"], "required": True})
    assert (hand_on(), standing(upload)) == ("done=1", Standing.QUARANTINED)
    assert events(upload) == ["committed", "quarantined", "released", "quarantined"]
    removal.remove(now_of(upload))
    with pytest.raises(CommandError, match="no stored file"):
        hand_on(release=upload.id)


def test_a_verdict_goes_into_the_trash_and_comes_back_with_its_file_and_is_gone_with_it(judged, settings):
    judged(0)
    upload = stored()
    assert hand_on() == "done=1"
    removal.remove(now_of(upload))
    removal.bring_back(now_of(upload))
    assert (standing(upload), beside(settings, upload)["verdict"]) == (Standing.RELEASED, "released")
    settings.TRASH_DAYS = 0
    removal.remove(now_of(upload))
    assert [path for path in (settings.NAS_ROOT / "collections").rglob("*") if path.is_file()] == []


def test_what_is_found_in_a_released_file_counts_also_where_its_verdict_could_not_be_given_then(hooks, tmp_path, settings, monkeypatch):
    first = {"name": "one", "required": True, "command": ["/bin/true"]}
    hooks(first)
    upload = stored()
    assert (hand_on(), standing(upload)) == ("done=1", Standing.RELEASED)
    hooks(first, {"name": "two", "required": True, "command": ["/bin/false"]})
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "put", lambda *args, **more: (_ for _ in ()).throw(StoreUnavailable("EIO")))
        process_one_round()
    assert (Delivery.objects.get(hook="two").state, standing(upload)) == (State.FOUND, Standing.RELEASED)
    assert (hand_on(), standing(upload)) == ("nothing was due", Standing.QUARANTINED)  # by another worker


def test_what_was_deleted_before_its_verdict_gets_it_once_it_is_back(judged, monkeypatch):
    from services_app.outbox.worker import Worker

    judged(0)
    upload, at_work = stored(), Worker()
    at_work.step()
    assert at_work.wait(30)
    at_work.record()
    removal.remove(now_of(upload))
    at_work.settle()
    removal.bring_back(now_of(upload))
    at_work.step()
    assert standing(upload) == Standing.CHECKING
    monkeypatch.setattr(at_work, "_next_sweep", 0.0)  # an hour later
    at_work.step()
    assert standing(upload) == Standing.RELEASED


def test_hooks_may_wait_for_the_verdict(hooks, tmp_path):
    log = tmp_path / "log"
    command = script(tmp_path / "hook", f'echo "$SLUICE_EVENT $SLUICE_UPLOAD_ID" >> {log}')
    judge = {
        "name": "judge",
        "required": True,
        "command": script(tmp_path / "judge", 'grep -q bad "$SLUICE_PATH" && exit 1; exit 0'),
    }
    hooks(judge, *({"name": on, "on": on, "command": command} for on in ("released", "quarantined")))
    good, bad = stored(b"good"), stored(b"bad")
    hand_on()
    hand_on()
    assert set(log.read_text().splitlines()) == {f"released {good.id}", f"quarantined {bad.id}"}


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (SCAN, "hook clamav: `address` must be unix:"),
        (SCAN | {"address": "/run/clamd"}, "hook clamav: `address`"),
        (SCAN | {"address": "tcp:localhost"}, "hook clamav: `address`"),
        (SCAN | {"address": "unix:/run/clamd", "max_size": None}, "hook clamav: `max_size` must be bytes"),
        (SCAN | {"address": "unix:/run/clamd", "max_size": 1 << 32}, "hook clamav: `max_size`"),
        (SCAN | {"address": "unix:/run/clamd", "on": "released"}, "hook clamav: `on` must be stored"),
        ({"command": ["/bin/true"], "required": True, "on": "released"}, "hook index: `on` must be stored"),
        ({"command": ["/bin/true"], "on": "deleted"}, "hook index: `on` must be one of"),
        ({"command": ["/bin/true"], "name": "operator"}, "hook 1: `name`"),
        ({"kind": "webhook", "required": True}, "a webhook gives no verdict"),
    ],
)
def test_who_cannot_give_a_verdict_is_refused_at_the_start(hooks, hook, said):
    hooks(hook)
    (problem,) = run_checks()
    assert problem.id == "services.E008" and said in problem.msg


def test_the_api_tells_both_that_it_is_stored_and_what_was_found(judged, uploads, control, grant_token, known_store):
    judged(0)
    token, body = grant_token(), a_zip()
    told = uploads("PUT", "/u", token=token, body=body)
    assert (told.status_code, told.json()["state"], told.json()["standing"]) == (201, "committed", "checking")
    hand_on()
    (after,) = control("GET", "/u", token=token).json()["uploads"]
    assert (after["state"], after["standing"], after["receipt"]) == ("committed", "released", told.json()["receipt"])
