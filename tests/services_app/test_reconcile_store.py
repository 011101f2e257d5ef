"""Database, ledger, manifests and NAS held against each other: what is safe is mended, everything else is named."""

import json
import os
import shutil
from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.proof import look
from services_app.store.models import StoreIdentity
from services_app.uploads import actions
from services_app.uploads.content import manifest
from services_app.uploads.models import Grant, Upload
from tests.services_app.making import (
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    begun,
    by_hand,
    claims_object,
    key_set,
    new_key,
    now_of,
    public,
    received,
    request_body,
    some_uuid,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_while_ago(monkeypatch):
    monkeypatch.setattr(look, "_JUST_NOW", timedelta(0))


@pytest.fixture
def stored(known_store):
    return [received(request_body(a_zip(b"%d" % n)), claims_object(), announced(len(a_zip(b"1")))) for n in (1, 2, 3)]


def path_of(nas, upload):
    return nas / "collections" / actions.object_name(upload)


def beside(path):
    return path.with_name(path.name + ".manifest.json")


def said_by(command: str, *arguments) -> dict:
    out, status = StringIO(), 0
    try:
        call_command(command, "--json", *arguments, stdout=out, stderr=StringIO())
    except CommandError as exc:
        status = exc.returncode
    return (json.loads(out.getvalue()) if out.getvalue() else {}) | {"status": status}


def found(told: dict) -> set[tuple[str, str]]:
    return {(one["what"], one["of"]) for one in told["findings"]}


def lose_database() -> None:
    with by_hand():
        for model in (Upload, Grant, Entry):
            model.objects.all().delete()


def test_where_all_agrees_nothing_is_found_or_mended(stored):
    told = said_by("reconcile_store")
    assert (told["compared"], told["mended"], told["findings"], told["status"]) == (3, {}, [], 0)


def test_what_is_safe_is_mended_once_and_a_dry_run_only_says_so(stored, nas):
    path = path_of(nas, stored[0])
    was = beside(path).read_bytes()
    beside(path).unlink()
    draft = path.with_name(f".{path.name}.manifest.json")
    draft.touch()
    os.utime(draft, (0, 0))
    path_of(nas, stored[1]).chmod(0o640)
    mended = {"manifest_missing": 1, "leftover": 1, "writable": 1}
    told = said_by("reconcile_store", "--dry-run")
    assert (told["mended"], told["findings"]) == (mended, []) and draft.exists() and not beside(path).exists()
    assert said_by("reconcile_store")["mended"] == mended
    assert beside(path).read_bytes() == was and not draft.exists()
    assert path_of(nas, stored[1]).stat().st_mode & 0o777 == 0o440
    assert said_by("reconcile_store")["mended"] == {}


def enter(event: str, upload) -> None:
    with transaction.atomic():
        record.append(event, upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={})


def hide(upload, path, state: str) -> None:
    """As if it had been removed, or never been stored."""
    Upload.objects.filter(id=upload.id).update(state=state, slot=None)
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("state", ["deleted", "aborted"])
def test_a_stored_file_does_not_go_unnoticed_by_the_ledger(stored, nas, state):
    hide(stored[1], path_of(nas, stored[1]), state)
    told = said_by("verify_ledger")
    assert (told["status"], found(told)) == (2, {("row_missing", str(stored[1].id))})


def test_a_row_that_was_entered_again_agrees_with_the_entry_of_its_first_time(stored):
    Upload.objects.filter(id=stored[0].id).delete()
    assert said_by("rebuild")["entered"] == 1
    for command in ("reconcile_store", "verify_ledger", "verify_store"):
        assert said_by(command)["findings"] == [], command


@pytest.mark.parametrize(
    ("tampering", "code"),
    [
        (lambda upload, path: path.unlink(), "missing"),
        (lambda upload, path: os.truncate(path, 1), "half"),
        (lambda upload, path: path.with_name("x").touch(), "foreign"),
        (lambda upload, path: (beside(path).chmod(0o640), beside(path).write_text("{}")), "manifest_changed"),
        (lambda upload, path: Upload.objects.filter(id=upload.id).update(media_type="text/csv"), "row_changed"),
        (lambda upload, path: Upload.objects.filter(id=upload.id).delete(), "row_missing"),
        (lambda upload, path: Upload.objects.filter(id=upload.id).update(state="aborted", slot=None), "row_missing"),
        (lambda upload, path: Entry.objects.filter(upload_id=upload.id).delete(), "entry_missing"),
        (lambda upload, path: Entry.objects.filter(upload_id=upload.id).update(event="aborted"), "entry_missing"),
        (lambda upload, path: Entry.objects.filter(upload_id=upload.id).update(facts={"size": 1}), "entry_differs"),
        (lambda upload, path: Entry.objects.filter(upload_id=upload.id).update(at=timezone.now()), "entry_differs"),
        (lambda upload, path: enter("deleted", upload), "not_deleted"),
        (lambda upload, path: Upload.objects.filter(id=upload.id).update(state="deleted"), "unknown"),
        (lambda upload, path: hide(upload, path, "deleted"), "row_missing"),
        (lambda upload, path: hide(upload, path, "aborted"), "row_missing"),
        (lambda upload, path: (enter("deleted", upload), Upload.objects.filter(id=upload.id).delete()), "row_missing"),
    ],
)
def test_what_was_changed_by_hand_is_named(stored, nas, tampering, code):
    with by_hand():
        tampering(stored[1], path_of(nas, stored[1]))
    told = said_by("reconcile_store")
    assert told["status"] == 2 and (code, str(stored[1].id)) in found(told)
    assert {of for _, of in found(told)} == {str(stored[1].id)}


def test_a_changed_row_is_not_written_down_as_the_manifest(stored, nas):
    beside(path_of(nas, stored[0])).unlink()
    Upload.objects.filter(id=stored[0].id).update(sha256="00" * 32)
    told = said_by("reconcile_store")
    assert {code for code, _ in found(told)} >= {"row_changed", "manifest_missing"} and told["mended"] == {}


def test_staged_bytes_of_nobody_are_named_and_those_of_uploads_are_not(stored, nas, known_store):
    running = begun(claims_object(), announced(4))
    with known_store.stage(running.id) as staged:
        staged.write(memoryview(b"half"))
    stranger = some_uuid()
    (nas / "staging" / str(stranger)).touch()
    assert found(said_by("reconcile_store")) == {("staged_unknown", str(stranger))}


def test_what_was_deleted_over_the_internal_api_is_no_finding(stored, control):
    assert control("DELETE", f"/internal/v1/objects/{stored[0].id}", token=INTERNAL_KEY, peer=Connection(WEB_APP)).status_code == 204
    assert said_by("reconcile_store")["findings"] == []


def test_a_lost_database_is_rebuilt_from_the_nas_alone(stored, known_store, nas):
    rows = {upload.id: manifest.content(now_of(upload)) for upload in stored}
    receipts = {upload.id: upload.receipt for upload in stored}
    call_command("recover", stdout=StringIO())
    lose_database()
    StoreIdentity.objects.all().delete()
    known_store.store_id = None
    call_command("init_store", stdout=StringIO())
    assert said_by("rebuild", "--dry-run")["entered"] == 3 and not Upload.objects.exists()
    told = said_by("rebuild")
    assert (told["entered"], told["findings"], told["status"]) == (3, [], 0)
    again = {upload.id: manifest.content(upload) for upload in Upload.objects.select_related("grant")}
    assert again == rows and {upload.id: upload.receipt for upload in Upload.objects.all()} == receipts
    call_command("ledger", "continue", "--yes", stdout=StringIO())
    for command in ("verify_ledger", "verify_store", "reconcile_store"):
        assert said_by(command)["findings"] == [], command
    assert said_by("rebuild")["entered"] == 0
    assert Counter(Entry.objects.values_list("event", flat=True)) == {"adopted": 3, "continued": 1, "verified": 1}


def test_a_token_that_brought_what_was_rebuilt_stays_spent(known_store, control, uploads, grant_token):
    token = grant_token()
    body = a_zip()
    assert uploads("PUT", "/u", token=token, body=body).status_code == 201
    lose_database()
    assert said_by("rebuild")["entered"] == 1
    answer = uploads("PUT", "/u", token=token, body=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_committed")


def test_an_upload_that_waited_when_the_backup_was_made_becomes_what_it_is(stored):
    Upload.objects.filter(id=stored[0].id).update(state="waiting", receipt="", durable_at=None, sha256="", size=None)
    assert said_by("rebuild")["entered"] == 1
    assert (now_of(stored[0]).state, now_of(stored[0]).receipt) == ("committed", stored[0].receipt)


def move_away(path):
    place = path.parents[3] / "1999" / "01"
    place.mkdir(parents=True)
    path.parent.rename(place / path.parent.name)


def flip(path):
    path.chmod(0o640)
    path.write_bytes(path.read_bytes()[::-1])


def renamed(path, name: bytes) -> None:
    """The file and its manifest, whose receipt names no name."""
    place = os.fsencode(path.parent)
    os.rename(path, place + b"/" + name)
    os.rename(beside(path), place + b"/" + name + b".manifest.json")


@pytest.mark.parametrize("name", [b"caf\xe9.zip", "a\x1b[31m\n\u202egpj.exe".encode(), b"-rf.zip", "\uff0e\uff0e\uff0fx".encode()])
def test_a_name_that_this_tier_would_not_give_is_not_entered_and_the_others_are(stored, nas, name):
    Upload.objects.all().delete()
    renamed(path_of(nas, stored[0]), name)
    told = said_by("rebuild")
    assert (told["status"], told["entered"], found(told)) == (2, 2, {("misnamed", str(stored[0].id))})
    assert not Upload.objects.filter(id=stored[0].id).exists()


@pytest.mark.parametrize(
    ("state", "tampering", "code"),
    [
        (None, flip, "changed"),
        (None, lambda path: path.unlink() or path.with_name("other.zip").touch(), "changed"),
        (None, lambda path: os.truncate(path, 1), "changed"),
        (None, lambda path: beside(path).unlink(), "unsigned"),
        (None, lambda path: (beside(path).chmod(0o640), beside(path).write_text('{"receipt": "x.y.z"}')), "unsigned"),
        (None, lambda path: (beside(path).unlink(), beside(path).symlink_to("/etc/hostname")), "unsigned"),
        (None, lambda path: (beside(path).unlink(), beside(path).mkdir()), "unsigned"),
        (None, move_away, "misplaced"),
        ("deleted", lambda path: None, "deleted"),
        ("receiving", lambda path: None, "under_way"),
    ],
)
def test_what_is_not_what_was_signed_is_not_entered(stored, nas, state, tampering, code):
    path, one = path_of(nas, stored[0]), Upload.objects.filter(id=stored[0].id)
    one.update(state=state) if state else one.delete()
    tampering(path)
    told = said_by("rebuild")
    assert (told["status"], told["entered"], found(told)) == (2, 0, {(code, str(stored[0].id))})


def test_a_receipt_under_a_retired_key_counts_where_its_public_half_is_given_and_is_borne_out_from_then_on(stored, settings, tmp_path):
    from services_app.uploads import receipts

    old = json.loads(open(settings.RECEIPT_KEY_FILE).read())["keys"][0]
    settings.RECEIPT_KEY_FILE = str(key_set(tmp_path / "rotated.jwks", new_key()))
    receipts.issuer.forget()
    lose_database()
    assert Counter(one["what"] for one in said_by("rebuild")["findings"]) == {"unsigned": 3}
    exported = str(key_set(tmp_path / "exported.jwks", public(old)))
    assert said_by("rebuild", "--keys", exported)["entered"] == 3
    with pytest.raises(CommandError, match="continue --yes"):
        call_command("ledger", "continue", "--keys", exported, stdout=StringIO())
    call_command("ledger", "continue", "--yes", "--keys", exported, stdout=StringIO())
    for command in ("verify_ledger", "verify_store", "reconcile_store"):
        assert said_by(command)["findings"] == [], command


@pytest.mark.parametrize("command", ["reconcile_store", "rebuild"])
def test_a_store_that_is_away_ends_the_command_and_changes_nothing(stored, nas, command):
    shutil.move(nas, nas.with_name("away"))
    assert said_by(command) == {"status": 1}
