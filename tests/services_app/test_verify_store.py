"""Stored files are read again: whatever was changed by hand on the NAS, or in a row, is named, and nothing else."""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from services_app.proof import gently, holding, look
from services_app.proof.models import Look
from services_app.uploads import actions, receipts
from services_app.uploads.models import Grant, Upload
from tests.services_app.making import (
    COLLECTION,
    a_zip,
    announced,
    begun,
    claims_object,
    forged,
    key_set,
    new_key,
    public,
    received,
    request_body,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(known_store):
    """Three stored files of a while ago, in the order in which they came."""
    uploads = [received(request_body(a_zip(b"%d" % n)), claims_object(), announced(len(a_zip(b"1")))) for n in (1, 2, 3)]
    assert {upload.state for upload in uploads} == {"committed"}
    return uploads


@pytest.fixture(autouse=True)
def a_while_ago(monkeypatch):
    monkeypatch.setattr(look, "_JUST_NOW", timedelta(0))


def path_of(nas, upload):
    return nas / "collections" / actions.object_name(upload)


def verified(*arguments) -> dict:
    out, status = StringIO(), 0
    try:
        call_command("verify_store", "--json", "--rate", "0", *arguments, stdout=out, stderr=StringIO())
    except CommandError as exc:
        status = exc.returncode
    return (json.loads(out.getvalue()) if out.getvalue() else {}) | {"status": status}


def found(told: dict) -> set[tuple[str, str]]:
    return {(one["what"], one["of"]) for one in told["findings"]}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(content)


def say(path, **changed):
    path.chmod(0o640)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def replace_by_link(path):
    path.rename(path.with_name(".moved"))
    path.symlink_to("/etc/hostname")


def in_its_place(path, make):
    """Something else has the name now."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def as_link(path):
    path.symlink_to("/etc/hostname")


def beside(path):
    return path.with_name(path.name + ".manifest.json")


def aged_draft(path):
    draft = path.with_name(f".{path.name}.manifest.json")
    draft.touch()
    os.utime(draft, (0, 0))


def test_files_that_are_what_they_were_are_counted_and_remembered(stored):
    told = verified()
    assert (told["status"], told["looked_at"], told["stored"], told["findings"]) == (0, 3, 3, [])
    assert told["bytes"] == 3 * stored[0].size and told["oldest_look"]
    assert {(row.upload_id, row.found) for row in Look.objects.all()} == {(upload.id, "") for upload in stored}


@pytest.mark.parametrize(
    ("tampering", "codes"),
    [
        (flip, {"changed"}),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), {"changed"}),
        (lambda path: os.truncate(path, 3), {"half"}),
        (lambda path: path.unlink(), {"missing"}),
        (lambda path: path.rename(path.with_name("other.zip")), {"missing", "foreign"}),
        (replace_by_link, {"missing", "foreign"}),
        (lambda path: path.with_name("note.txt").touch(), {"foreign"}),
        (aged_draft, {"leftover"}),
        (lambda path: beside(path).unlink(), {"manifest_missing"}),
        (lambda path: say(beside(path), sha256="00" * 32), {"manifest_changed"}),
        (lambda path: say(beside(path), receipt="x.y.z"), {"manifest_changed"}),
        (lambda path: say(beside(path), more=1), {"manifest_changed"}),
        (lambda path: beside(path).write_bytes(b"\xff"), {"manifest_changed"}),
        (lambda path: shutil.rmtree(path.parent), {"missing"}),
        (lambda path: in_its_place(beside(path), as_link), {"manifest_changed"}),
        (lambda path: in_its_place(beside(path), os.mkdir), {"manifest_changed"}),
        (lambda path: in_its_place(beside(path), os.mkfifo), {"manifest_changed"}),
        (lambda path: in_its_place(path.parent, as_link), {"missing"}),
        (lambda path: in_its_place(path.parent, lambda place: place.touch()), {"missing"}),
    ],
)
def test_what_was_changed_on_the_nas_is_named(stored, nas, tampering, codes):
    tampering(path_of(nas, stored[1]))
    told = verified()
    between = {("foreign", where) for what, where in found(told) if what == "foreign" and where.startswith(COLLECTION)}
    assert (told["status"], found(told) - between) == (2, {(code, str(stored[1].id)) for code in codes})
    assert set(Look.objects.get(upload_id=stored[1].id).found.split()) == codes


@pytest.mark.parametrize("changed", [{"sha256": "00" * 32}, {"size": 1}, {"receipt": "x"}, {"media_type": "text/csv"}])
def test_a_row_that_was_changed_is_named(stored, changed):
    Upload.objects.filter(id=stored[0].id).update(**changed)
    assert ("row_changed", str(stored[0].id)) in found(verified())


def test_a_file_row_and_manifest_that_were_changed_to_agree_differ_from_the_receipt(stored, nas):
    path = path_of(nas, stored[2])
    flip(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    say(beside(path), sha256=digest)
    Upload.objects.filter(id=stored[2].id).update(sha256=digest)
    assert {code for code, _ in found(verified())} == {"changed", "row_changed"}


def sign_by_nobody(upload, nas, content: bytes | None = None, **changed):
    """File, row, grant and manifest changed to agree with a receipt that nobody signed."""
    path = path_of(nas, upload)
    if content is not None:
        path.chmod(0o640)
        path.write_bytes(content)
        changed |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    sub = {"sub": changed.pop("sub")} if "sub" in changed else {}
    receipt = forged(upload.receipt, **changed, **sub)
    Upload.objects.filter(id=upload.id).update(receipt=receipt, **changed)
    Grant.objects.filter(id=upload.grant_id).update(**(sub or {"sub": upload.grant.sub}))
    say(beside(path), receipt=receipt, **changed)


CHANGED = [{"content": b"EVIL"}, {"sub": "somebody-else"}, {"media_type": "application/pdf"}]


def said_by(command: str, *arguments) -> set[str]:
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command(command, "--json", *arguments, stdout=out, stderr=StringIO())
    return {one["what"] for one in json.loads(out.getvalue())["findings"]}


@pytest.mark.parametrize("changed", CHANGED)
def test_a_receipt_that_nobody_signed_is_not_the_measure(stored, nas, monkeypatch, changed):
    monkeypatch.setattr(holding, "_TAKING_UP", timedelta(0))
    call_command("ledger", "checkpoint", stdout=StringIO())
    sign_by_nobody(stored[1], nas, **changed)
    for command in ("verify_store", "verify_ledger", "reconcile_store"):
        assert said_by(command) - {"entry_differs"} == {"unvouched"}, command


def rotate(settings, tmp_path) -> str:
    """Another key signs from now on; return a file with the public half of the one that is gone."""
    old = json.loads(open(settings.RECEIPT_KEY_FILE).read())["keys"][0]
    settings.RECEIPT_KEY_FILE = str(key_set(tmp_path / "rotated.jwks", new_key()))
    receipts.issuer.forget()
    return str(key_set(tmp_path / "exported.jwks", public(old)))


def test_a_rotation_with_a_checkpoint_behind_it_raises_no_alarm_and_one_without_says_what_is_missing(
    stored, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(holding, "_TAKING_UP", timedelta(0))
    exported = rotate(settings, tmp_path)
    for command in ("verify_store", "verify_ledger", "reconcile_store"):
        assert (said_by(command), said_by(command, "--keys", exported)) == ({"unvouched"}, set()), command
    call_command("ledger", "checkpoint", stdout=StringIO())
    received(request_body(a_zip(b"4")), claims_object(), announced(len(a_zip(b"4"))))
    for command in ("verify_store", "verify_ledger", "reconcile_store"):
        assert said_by(command) == set(), command


def test_what_was_stored_before_a_rotation_is_held_against_its_entry_and_all_of_it_against_the_retired_key(
    stored, nas, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(holding, "_TAKING_UP", timedelta(0))
    exported = rotate(settings, tmp_path)
    call_command("ledger", "checkpoint", stdout=StringIO())
    sign_by_nobody(stored[1], nas, content=b"EVIL")
    for command in ("verify_store", "verify_ledger", "reconcile_store"):
        for arguments in ((), ("--keys", exported)):
            assert said_by(command, *arguments) - {"entry_differs"} == {"unvouched"}, (command, arguments)
    later = received(request_body(a_zip(b"4")), claims_object(), announced(len(a_zip(b"4"))))
    Upload.objects.filter(id=stored[1].id).update(receipt=stored[1].receipt)
    sign_by_nobody(later, nas, sub="somebody-else")  # a key that is here signed before it
    assert ("unvouched", str(later.id)) in found(verified())


def test_what_is_not_known_to_the_database_or_lies_between_the_folders_is_named(stored, nas):
    Upload.objects.filter(id=stored[0].id).delete()
    (nas / "collections" / COLLECTION / "readme.txt").touch()
    (nas / "collections" / ".snapshot").mkdir()
    told = verified()
    assert found(told) == {("unknown", str(stored[0].id)), ("foreign", COLLECTION)}
    assert verified("--at-most", "3")["findings"] == []


def test_a_file_that_lies_in_another_place_than_it_should_is_missing_and_unknown(stored, nas):
    folder = path_of(nas, stored[0]).parent
    moved = nas / "collections" / COLLECTION / "1999" / "01" / folder.name
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    assert found(verified()) == {("missing", str(stored[0].id)), ("unknown", str(stored[0].id))}


def test_uploads_that_run_are_no_finding(stored, known_store):
    running = begun(claims_object(), announced(4))
    with known_store.stage(running.id) as staged:
        staged.write(memoryview(b"half"))
        staged.checkpoint()
    told = a_zip(b"9")
    committing = received(request_body(told), claims_object(), announced(len(told)))
    Upload.objects.filter(id=committing.id).update(state="committing", receipt="", durable_at=None)
    assert verified()["findings"] == []


def test_a_manifest_that_its_request_is_still_writing_is_no_finding(stored, nas, monkeypatch):
    monkeypatch.setattr(look, "_JUST_NOW", timedelta(minutes=1))
    beside(path_of(nas, stored[0])).unlink()
    assert verified()["findings"] == []


def test_what_is_deleted_while_it_is_read_is_no_finding_and_is_forgotten(stored, known_store, monkeypatch):
    read = gently.sha256

    def delete_first(fd, pace):
        if Upload.objects.get(id=stored[0].id).state == "committed":
            known_store.delete(actions.object_name(stored[0]))
            actions.mark_deleted(stored[0])
            return "gone"
        return read(fd, pace)

    monkeypatch.setattr(gently, "sha256", delete_first)
    told = verified()
    assert (told["findings"], told["stored"], Look.objects.count()) == ([], 2, 2)


def test_what_was_not_looked_at_longest_comes_first(stored):
    first = verified("--at-most", "2")
    assert (first["looked_at"], first["oldest_look"]) == (2, None)
    assert {row.upload_id for row in Look.objects.all()} == {stored[0].id, stored[1].id}
    Look.objects.filter(upload_id=stored[1].id).update(at=timezone.now() - timedelta(days=9))
    verified("--at-most", "2")
    assert Look.objects.earliest("at").upload_id == stored[0].id
    assert verified("--sample", "1")["looked_at"] == 1
    assert verified("--minutes", "0")["looked_at"] == 0


def test_a_store_that_is_away_is_no_loss_of_every_file(stored, nas):
    nas.rename(nas.with_name("away"))
    assert verified() == {"status": 1}
    assert not Look.objects.exclude(found="").exists()


def test_the_disk_that_does_not_give_bytes_back_is_named_and_the_rest_is_looked_at(stored, monkeypatch):
    def fail(fd, *_):
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "pread", fail)
    told = verified()
    assert {code for code, _ in found(told)} == {"unreadable"} and told["looked_at"] == 3


def test_no_more_is_read_in_a_second_than_was_asked_for():
    now = [0.0]

    def sleep(seconds):
        now[0] += max(0.0, seconds)

    pace = gently.Pace(10, clock=lambda: now[0], sleep=sleep)
    for _ in range(5):
        pace.spend(10)
    assert (now[0], pace.spent) == (5.0, 50)
    now[0] += 60  # what was not used is not made up for
    pace.spend(10)
    assert now[0] == 66.0


@pytest.mark.parametrize("arguments", [("--rate", "-1"), ("--at-most", "0"), ("--sample", "0"), ("--minutes", "-1")])
def test_an_argument_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(CommandError, match="number from"):
        call_command("verify_store", *arguments)


def test_an_id_of_nothing_is_no_finding(known_store):
    assert look.look_at(known_store, uuid.uuid4(), None, None) == {}
