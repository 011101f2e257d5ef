"""The outbox: what is stored is handed on to programs, in order, again until it is taken, and by one worker at a time."""

import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.utils import timezone

from services_app.config import watched
from services_app.hooks import configured
from services_app.ledger.models import Entry
from services_app.outbox import turns
from services_app.outbox.gather import gather
from services_app.outbox.models import Delivery, State
from services_app.status import page, report
from services_app.store.errors import StoreUnavailable
from services_app.uploads import removal
from services_app.uploads.models import Upload
from tests.services_app import making
from tests.services_app.handing import hand_on, process_one_round, script, stored, worker, write_hooks
from tests.services_app.making import COLLECTION, Connection, now_of
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "ct-2026"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What failed is due again at once."""
    monkeypatch.setattr(turns, "pause", lambda attempts: 0)


@pytest.fixture
def hooks(known_store, settings, tmp_path):
    """A function: HOOKS_FILE with these hooks."""
    (settings.NAS_ROOT / "collections" / OTHER).mkdir()
    return lambda *tables: write_hooks(settings, tmp_path / "hooks.toml", *tables)


@pytest.fixture
def log(tmp_path):
    """Where programs write what they were given: lines, oldest first."""
    path = tmp_path / "log"
    path.touch()
    return path


def lines(log) -> list[str]:
    return log.read_text().split()


def test_a_program_gets_ids_and_the_place_of_the_file_and_nothing_of_our_environment(hooks, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERNAL_API_KEY", "k" * 43)
    hooks({"command": script(tmp_path / "hook", f"env > {tmp_path}/env", f'sha256sum < "$SLUICE_PATH" > {tmp_path}/digest')})
    upload = stored()
    assert hand_on() == "done=1"
    told = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert {name: value for name, value in told.items() if name.startswith("SLUICE_") and name != "SLUICE_PATH"} == {
        "SLUICE_EVENT": "stored",
        "SLUICE_KEY": f"index_{upload.id}",
        "SLUICE_UPLOAD_ID": str(upload.id),
        "SLUICE_COLLECTION": COLLECTION,
        "SLUICE_SIZE": str(upload.size),
        "SLUICE_SHA256": upload.sha256,
    }
    assert told.keys() - {name for name in told if name.startswith("SLUICE_")} <= {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (tmp_path / "digest").read_text().split()[0] == upload.sha256
    assert hand_on() == "nothing was due"


def test_each_collection_is_handed_on_in_the_order_of_its_commits_and_waits_for_no_other(hooks, log, tmp_path):
    wait = f'[ "$SLUICE_COLLECTION" = {OTHER} ] || [ -e {tmp_path}/open ] || exit 7'
    hooks({"command": script(tmp_path / "hook", wait, f'echo "$SLUICE_UPLOAD_ID" >> {log}')})
    first, second, other = stored(b"1"), stored(b"2"), stored(b"3", OTHER)
    process_one_round()
    assert lines(log) == [str(other.id)]
    (failed,) = Delivery.objects.filter(attempts__gt=0, state=State.WAITING)
    assert (failed.upload_id, failed.said) == (first.id, "exit_7")
    (tmp_path / "open").touch()
    assert hand_on() == "done=2"
    assert lines(log) == [str(each.id) for each in (other, first, second)]


def test_one_that_hangs_holds_no_other_collection_up_and_is_ended_with_all_it_started(hooks, log, tmp_path):
    hang = f'[ "$SLUICE_COLLECTION" = {OTHER} ] || {{ sh -c "echo \\$\\$ >> {log}; exec sleep 600" & wait; }}'
    hooks({"timeout": 1, "at_once": 2, "command": script(tmp_path / "hook", hang)})
    hanging, *others = stored(b"1"), stored(b"2", OTHER), stored(b"3", OTHER)
    process_one_round()
    assert (Delivery.objects.get(upload=hanging).state, Delivery.objects.get(upload=hanging).said) == (State.WAITING, "timeout")
    assert Delivery.objects.get(upload=others[0]).state == State.DONE
    wait_for(lambda: is_gone(lines(log)[0]))


def is_gone(pid: str) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_what_a_program_leaves_behind_is_ended_too(hooks, log, tmp_path):
    hooks({"command": script(tmp_path / "hook", f"sleep 600 & echo $! >> {log}")})
    stored()
    assert hand_on() == "done=1"
    wait_for(lambda: is_gone(lines(log)[0]))


def test_a_worker_that_is_killed_leaves_its_try_to_the_next_once_nothing_of_it_can_run(hooks, settings, log, tmp_path):
    # The second run of the same file while the first still writes would say "twice".
    body = f'mkdir {tmp_path}/busy || echo twice >> {log}; echo "$SLUICE_UPLOAD_ID" >> {log}; [ -e {tmp_path}/open ] || sleep 600'
    hooks({"timeout": 3, "command": script(tmp_path / "hook", f"trap 'rmdir {tmp_path}/busy' EXIT TERM", body)})
    first, second = stored(b"1"), stored(b"2")
    with worker(settings, "--every", "1") as killed:
        wait_for(lambda: lines(log))
        killed.kill()
    (tmp_path / "open").touch()
    assert hand_on() == "nothing was due"
    # Its lease is as long as that worker made it; the clock is not waited for.
    Delivery.objects.filter(upload=first).update(lease_uptime=turns.leases.uptime() + 4)
    assert wait_for(lambda: (said := hand_on()) != "nothing was due" and said) == "done=2"
    assert lines(log) == [str(each.id) for each in (first, first, second)]


def test_a_worker_that_is_told_to_stop_breaks_off_and_the_next_begins_at_once(hooks, settings, log, tmp_path):
    run = f'echo "$SLUICE_UPLOAD_ID $$" >> {log}; [ -e {tmp_path}/open ] || sleep 600'
    hooks({"command": script(tmp_path / "hook", run)})
    upload = stored()
    with worker(settings, "--every", "600") as stopped:
        wait_for(lambda: lines(log))
        stopped.terminate()
        assert stopped.wait(timeout=30) == 0
    wait_for(lambda: is_gone(lines(log)[1]))
    (tmp_path / "open").touch()
    assert hand_on() == "done=1"
    assert (lines(log)[::2], Delivery.objects.get().attempts) == ([str(upload.id)] * 2, 1)


def test_two_workers_never_hand_on_the_same_file_and_who_comes_late_changes_nothing(hooks, tmp_path):
    hooks({"command": ["/bin/true"]})
    stored()
    (hook,) = configured.hooks()
    gather(hook)
    (one,), (two,) = list(turns.due(hook, set())), list(turns.due(hook, set()))
    assert (turns.claim(one, hook), turns.claim(two, hook)) == (True, False)
    assert list(turns.due(hook, set())) == []
    Delivery.objects.update(lease_uptime=0)
    (after,) = turns.due(hook, set())
    assert turns.claim(after, hook)
    assert turns.record(one, hook, turns.Outcome.taken()) is None
    assert Delivery.objects.get().state == State.RUNNING
    assert turns.record(after, hook, turns.Outcome.again("exit_1")) == State.WAITING


@pytest.mark.parametrize(("kind", "is_due"), [("webhook", True), ("command", False)])
def test_a_try_that_ended_with_its_worker_is_due_at_once_and_a_program_may_still_run(hooks, tmp_path, kind, is_due):
    (tmp_path / "secret").write_text("whsec_" + "A" * 32)
    (tmp_path / "secret").chmod(0o600)
    only = {"webhook": {"url": "https://127.0.0.1/", "secret_file": str(tmp_path / "secret")}, "command": {"command": ["/bin/true"]}}
    hooks({"kind": kind, **only[kind]})
    stored()
    (hook,) = configured.hooks()
    gather(hook)
    (one,) = turns.due(hook, set())
    assert turns.claim(one, hook) and list(turns.due(hook, set())) == []
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    machine, _, started = turns.leases.owner().rsplit(":", 2)
    Delivery.objects.update(owner=f"{machine}:{gone.pid}:{started}")
    assert bool(list(turns.due(hook, set()))) == is_due


def test_what_has_ended_is_recorded_by_a_worker_that_is_told_to_stop(hooks):
    from services_app.outbox.worker import Worker

    hooks({"command": ["/bin/true"]})
    stored()
    at_work = Worker()
    at_work.step()
    wait_for(lambda: not at_work._ended.empty())
    at_work.break_off()
    assert Delivery.objects.get().state == State.DONE


def test_a_try_for_which_no_thread_can_be_begun_is_given_back_and_the_worker_goes_on(hooks, monkeypatch):
    from services_app.outbox.worker import Worker

    hooks({"command": ["/bin/true"]})
    stored()
    at_work = Worker()
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        at_work.step()
    assert not at_work.is_busy and Delivery.objects.values_list("state", "attempts", "owner").get() == (State.WAITING, 0, "")
    at_work.step()
    at_work.wait(30), at_work.record()
    assert Delivery.objects.get().state == State.DONE


def test_whatever_fails_in_one_round_the_worker_goes_on_with_the_next(hooks, monkeypatch):
    from services_app.outbox.worker import Worker

    hooks({"command": ["/bin/true"]})
    stored()
    step, faults = Worker.step, [OSError("EMFILE"), StoreUnavailable(), RuntimeError()]

    def failing(at_work):
        if faults:
            raise faults.pop()
        if Delivery.objects.filter(state=State.DONE).exists():
            at_work.stop()
        return step(at_work)

    monkeypatch.setattr(Worker, "step", failing)
    assert hand_on(every=1) == "done=1"


def test_what_is_not_taken_for_too_long_is_given_up_lets_the_next_one_pass_and_is_tried_again_on_demand(hooks, log, tmp_path):
    hooks({"give_up": 1, "command": script(tmp_path / "hook", f'[ -e {tmp_path}/open ] && echo "$SLUICE_UPLOAD_ID" >> {log}')})
    first, second = stored(b"1"), stored(b"2")
    process_one_round()
    Delivery.objects.filter(upload=first).update(first_tried_at=timezone.now() - timedelta(hours=1))
    process_one_round()
    assert Delivery.objects.get(upload=first).state == State.FAILED
    (tmp_path / "open").touch()
    assert hand_on() == "done=1"
    assert lines(log) == [str(second.id)]
    assert hand_on(retry=first.id) == "tried again: 1"
    assert hand_on() == "done=1"
    with pytest.raises(CommandError, match="Nothing was given up"):
        hand_on(retry=second.id)


def test_the_pause_doubles_up_to_an_hour_and_differs(monkeypatch):
    monkeypatch.undo()
    pauses = [{turns.pause(attempt) for _ in range(50)} for attempt in (1, 2, 3, 11, 5000)]
    assert [max(each) for each in pauses] == pytest.approx([5, 10, 20, 3600, 3600], rel=0.2)
    assert all(len(each) > 1 and min(each) >= max(each) / 2.1 for each in pauses)


def test_what_was_deleted_before_is_not_handed_on_but_once_it_is_back(hooks, log, tmp_path):
    hooks({"command": script(tmp_path / "hook", f'echo "$SLUICE_UPLOAD_ID" >> {log}')})
    upload = stored()
    removal.remove(upload)
    assert hand_on() == "nothing was due"
    assert Delivery.objects.get().state == State.MOOT
    removal.bring_back(now_of(upload))
    assert hand_on() == "done=1"


def test_a_hook_is_for_what_was_stored_since_its_day_in_its_collections_also_once_that_changes(hooks, log, tmp_path):
    command = script(tmp_path / "hook", f'echo "$SLUICE_UPLOAD_ID" >> {log}')
    old, new, other = stored(b"1"), stored(b"2"), stored(b"3", OTHER)
    Upload.objects.filter(id=old.id).update(durable_at=timezone.now() - timedelta(days=2))
    since = (timezone.now() - timedelta(days=1)).isoformat(timespec="seconds")
    hooks({"command": command, "collections": [COLLECTION], "since": since})
    assert (hand_on(), lines(log)) == ("done=1", [str(new.id)])
    hooks({"command": command, "collections": [COLLECTION, OTHER], "since": since})
    assert (hand_on(), lines(log)) == ("done=1", [str(new.id), str(other.id)])
    hooks({"command": command})
    assert (hand_on(), lines(log)[2:]) == ("done=1", [str(old.id)])


def test_a_long_ledger_is_looked_through_to_its_end(hooks, monkeypatch):
    monkeypatch.setattr("services_app.outbox.gather.AT_ONCE", 2)
    hooks({"command": ["/bin/true"], "collections": [OTHER]})
    for number in range(5):
        stored(str(number).encode())
    stored(b"last", OTHER)
    assert hand_on() == "done=1"


def test_each_hook_gets_each_file_once_whatever_the_other_does(hooks, log, tmp_path):
    hooks(
        {"name": "one", "command": ["/bin/false"]},
        {"name": "two", "command": script(tmp_path / "hook", f"echo $SLUICE_KEY >> {log}")},
    )
    uploads = [stored(b"1"), stored(b"2")]
    process_one_round()
    process_one_round()
    assert lines(log) == [f"two_{upload.id}" for upload in uploads]
    assert set(Delivery.objects.filter(hook="one").values_list("state", flat=True)) == {State.WAITING}


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ({"command": "true"}, "hook index: `command` must be a list of words"),
        ({"command": ["true"]}, "the first an absolute path"),
        ({"command": []}, "hook index: `command`"),
        ({"command": None}, "hook index: `command`"),
        ({"command": ["/bin/true"], "name": "In dex"}, "hook 1: `name` must be a word"),
        ({"command": ["/bin/true"], "kind": "mail"}, "hook index: `kind` must be one of command"),
        ({"command": ["/bin/true"], "collections": []}, 'must be a list of collections, or "all"'),
        ({"command": ["/bin/true"], "collections": ["../x"]}, "hook index: `collections`"),
        ({"command": ["/bin/true"], "collections": None}, "hook index: `collections`"),
        ({"command": ["/bin/true"], "since": "2027-01-01"}, "hook index: `since` must be a time with an offset"),
        ({"command": ["/bin/true"], "since": "2027-01-01T00:00:00"}, "hook index: `since`"),
        ({"command": ["/bin/true"], "timeout": 0}, "hook index: `timeout` must be a number of seconds, from 1 to 86400"),
        ({"command": ["/bin/true"], "timeout": True}, "hook index: `timeout`"),
        ({"command": ["/bin/true"], "at_once": 17}, "from 1 to 16"),
        ({"command": ["/bin/true"], "shell": True}, "hook index has a key that a command does not know: shell"),
    ],
)
def test_a_hook_that_cannot_be_meant_keeps_everything_from_starting_and_says_how_it_is_meant(hooks, hook, said):
    hooks(hook)
    (problem,) = run_checks()
    assert problem.id == "services.E008" and said in problem.msg


def test_a_hooks_file_that_others_can_write_or_that_is_none_is_refused(hooks, settings, tmp_path):
    hooks({"command": ["/bin/true"]}, {"command": ["/bin/true"]})
    assert [problem.msg for problem in run_checks()] == ["HOOKS_FILE is of no use: two hooks have one name."]
    hooks({"command": ["/bin/true"]})
    assert run_checks() == []
    path = tmp_path / "hooks.toml"
    path.chmod(0o660)
    assert "others can write it" in run_checks()[0].msg
    path.chmod(0o640)
    path.write_text("[[hook]\nsecret")
    assert run_checks()[0].msg == "HOOKS_FILE is of no use: it is no TOML (at line 1, column 7)."
    path.write_text("[other]\n")
    assert "it holds tables [[hook]], and nothing else" in run_checks()[0].msg
    settings.HOOKS_FILE = str(tmp_path / "away")
    assert "it cannot be read (FileNotFoundError)" in run_checks()[0].msg


def test_a_file_that_changes_is_taken_up_and_one_that_is_of_no_use_is_refused_and_named(hooks, tmp_path):
    path = tmp_path / "hooks.toml"
    hooks({"command": ["/bin/true"]})
    assert [hook.name for hook in configured.hooks()] == ["index"]
    path.write_text(path.read_text().replace("index", "other"))
    configured.hooks.look_now()
    assert [hook.name for hook in configured.hooks()] == ["other"]
    path.write_text("[[hook]]\n")
    configured.hooks.look_now()
    assert ([hook.name for hook in configured.hooks()], watched.refused()) == (["other"], ["HOOKS_FILE"])


def test_a_try_asks_no_database(hooks, monkeypatch):
    from django.db.backends.base.base import BaseDatabaseWrapper

    asked, ensure = set(), BaseDatabaseWrapper.ensure_connection
    monkeypatch.setattr(
        BaseDatabaseWrapper, "ensure_connection", lambda self: (asked.add(threading.current_thread().name), ensure(self))[1]
    )
    hooks({"command": ["/bin/true"]})
    stored()
    assert hand_on() == "done=1"
    assert not any(name.startswith("hook") for name in asked) and asked


def test_status_and_metrics_say_how_far_each_hook_is_behind_and_the_cure(hooks, tmp_path, control, settings):
    settings.METRICS_CLIENT_NAME = "metrics.test"

    def told() -> tuple[dict, list[str]]:
        found = report.report()
        text = control("GET", "/metrics", peer=Connection("metrics.test")).content.decode()
        numbers = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("sluice_hook")}
        return numbers, [f"{one['what']} → {one['cure']}" for one in found["problems"]] + page.lines(found)

    hooks({"command": ["/bin/false"]})
    first, _ = stored(b"1"), stored(b"2")
    with making.by_hand():
        Entry.objects.update(at=timezone.now() - timedelta(hours=1))
    _, said = told()
    assert any(one.startswith("nobody has looked for 3600 s") and "outbox --every 5" in one for one in said)
    process_one_round()
    Upload.objects.filter(id=first.id).update(durable_at=timezone.now() - timedelta(hours=2))
    numbers, said = told()
    assert any(
        "hook index is behind: the oldest of 2 files waits since 720" in one and "ended with exit_1" in one for one in said
    )
    assert "  hook          index: 2 to hand on, the oldest stored 2 h ago; 0 given up" in said
    assert numbers['sluice_hook_open{hook="index"}'] == 2 and 7199 < numbers['sluice_hook_oldest_seconds{hook="index"}'] < 7300
    Delivery.objects.filter(upload=first).update(state=State.FAILED)
    numbers, said = told()
    assert numbers['sluice_hook_failed{hook="index"}'] == 1
    assert any("was given up for 1 stored files" in one and "outbox --retry ID" in one for one in said)
    listed = StringIO()
    call_command("outbox", list=True, stdout=listed)
    assert f"index  {first.id}  failed  1  exit_1\n" in listed.getvalue() and "not handed on: 2" in listed.getvalue()
