"""Verdicts on the NAS and in the database: held against each other, mended where that is safe, and found again after a loss."""

import json
import os
from datetime import timedelta

import pytest

from services_app.ledger.models import Entry
from services_app.outbox.models import Cursor, Delivery
from services_app.proof import look
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing
from tests.services_app.handing import hand_on, script, stored, write_hooks
from tests.services_app.making import by_hand, forged
from tests.services_app.test_reconcile_store import found, lose_database, path_of, said_by
from tests.services_app.test_verdicts import events, standing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_while_ago(monkeypatch):
    monkeypatch.setattr(look, "_JUST_NOW", timedelta(0))


@pytest.fixture
def hooks(known_store, settings, tmp_path):
    """A judge whose verdict is required, and one who is only told. Returns where both write what they were handed."""
    log = tmp_path / "log"
    note = f'echo "$SLUICE_KEY" >> {log}'
    judge = script(tmp_path / "judge", note, 'grep -q bad "$SLUICE_PATH" && exit 1; exit 0')
    tell = {"name": "tell", "command": script(tmp_path / "tell", note)}
    write_hooks(settings, tmp_path / "hooks.toml", {"name": "judge", "required": True, "command": judge}, tell)
    log.touch()
    return log


def verdict_of(nas, upload):
    path = path_of(nas, upload)
    return path.with_name(f"{path.name}.verdict.json")


def age(path) -> None:
    os.utime(path, (0, 0))


def other_claims(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": "released"}))


def signed_by_nobody(path):
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"verdict": "released", "statement": forged(said["statement"], verdict="released")}))


def no_json(path):
    path.write_text("[1]")


@pytest.mark.parametrize("tamper", [other_claims, signed_by_nobody, no_json])
def test_a_verdict_that_was_changed_is_named_and_stays_as_it_is(hooks, nas, tamper):
    upload = stored(b"bad")
    assert hand_on() == "done=1 found=1"
    for command in ("verify_store", "reconcile_store"):
        assert said_by(command)["findings"] == [], command
    path = verdict_of(nas, upload)
    path.chmod(0o640)
    tamper(path)
    changed = path.read_bytes()
    for command in ("verify_store", "reconcile_store"):
        assert found(said_by(command)) == {("verdict_changed", str(upload.id))}, command
    assert path.read_bytes() == changed and standing(upload) == Standing.QUARANTINED


def test_a_verdict_that_is_missing_on_the_nas_is_written_again(hooks, nas):
    upload = stored(b"bad")
    hand_on()
    was = json.loads(verdict_of(nas, upload).read_text())
    verdict_of(nas, upload).unlink()
    assert found(said_by("verify_store")) == {("verdict_missing", str(upload.id))}
    assert said_by("reconcile_store", "--dry-run")["mended"] == {"verdict": 1} and not verdict_of(nas, upload).exists()
    assert said_by("reconcile_store")["mended"] == {"verdict": 1}
    now = json.loads(verdict_of(nas, upload).read_text())
    assert {name: now[name] for name in ("upload_id", "sha256", "verdict", "by")} == {
        name: was[name] for name in ("upload_id", "sha256", "verdict", "by")
    }
    assert said_by("verify_store")["findings"] == [] and events(upload) == ["committed", "quarantined"]


def test_a_verdict_that_the_database_has_forgotten_is_taken_up_only_where_it_is_signed(hooks, nas):
    good, bad = stored(b"good"), stored(b"bad")
    hand_on()
    Upload.objects.update(verdict="")
    assert said_by("reconcile_store")["findings"] == []  # it may be under way
    for upload in (good, bad):
        age(verdict_of(nas, upload))
    path = verdict_of(nas, bad)
    path.chmod(0o640)
    signed_by_nobody(path)
    path.chmod(0o440)
    age(path)
    told = said_by("reconcile_store")
    assert (told["mended"], found(told)) == ({"verdict": 1}, {("verdict_changed", str(bad.id))})
    assert (standing(good), standing(bad)) == (Standing.RELEASED, Standing.CHECKING)


def test_after_the_database_was_lost_verdicts_come_back_and_nothing_is_handed_on_again(hooks, nas):
    good, bad = stored(b"good"), stored(b"bad")
    hand_on()
    handed = hooks.read_text()
    unseen = stored(b"unseen")
    with by_hand():
        Delivery.objects.all().delete()
        Cursor.objects.all().delete()
    lose_database()
    assert said_by("rebuild")["entered"] == 3
    assert (standing(good), standing(bad), standing(unseen)) == (Standing.RELEASED, Standing.QUARANTINED, Standing.CHECKING)
    assert events(good) == ["adopted", "released"] and events(bad) == ["adopted", "quarantined"]
    assert hand_on() == "done=1"
    # The judge has not seen one of them; whoever is only told may have been told.
    assert hooks.read_text().removeprefix(handed).split() == [f"judge_{unseen.id}"]
    assert standing(unseen) == Standing.RELEASED
    assert said_by("verify_store")["findings"] == [] and not Entry.objects.filter(event="committed").exists()


def test_what_was_handed_on_since_a_backup_is_handed_on_again_with_the_same_key(hooks, nas):
    good = stored(b"good")
    hand_on()
    # As a backup has it that was made before the worker came.
    Delivery.objects.all().delete()
    Cursor.objects.all().delete()
    Upload.objects.update(verdict="")
    with by_hand():
        Entry.objects.filter(event="released").delete()
    hand_on()
    assert sorted(hooks.read_text().split()) == sorted([f"judge_{good.id}", f"tell_{good.id}", f"tell_{good.id}"])
    assert (standing(good), events(good)) == (Standing.RELEASED, ["committed", "released"])
