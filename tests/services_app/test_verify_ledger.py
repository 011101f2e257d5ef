"""The ledger held against what was signed about it: nobody cuts or rewrites it unseen, also not with the whole database."""

import json
import os
import shutil
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.proof import checkpoints
from services_app.store.models import StoreIdentity
from services_app.uploads.models import Grant, Upload
from tests.services_app.making import (
    a_zip,
    announced,
    by_hand,
    claims_object,
    forged,
    key_set,
    new_key,
    received,
    request_body,
    some_uuid,
)

pytestmark = pytest.mark.django_db


def store_one(content: bytes = b"a small file"):
    return received(request_body(a_zip(content)), claims_object(), announced(len(a_zip(content))))


def end_one():
    """An entry that no receipt names."""
    with transaction.atomic():
        return record.append("aborted", upload_id=some_uuid(), grant_id=some_uuid(), at=timezone.now(), facts={"code": "x"})


def verified(*arguments) -> dict:
    """What the command says as JSON, with its exit status."""
    out = StringIO()
    try:
        call_command("verify_ledger", "--json", *arguments, stdout=out, stderr=StringIO())
        status = 0
    except CommandError as exc:
        status = exc.returncode
    return json.loads(out.getvalue()) | {"status": status}


def kinds(told: dict) -> set[str]:
    return {one["what"] for one in told["findings"]}


def rewrite_all() -> None:
    """A new chain from the first entry on, which is whole in itself."""
    previous = record.GENESIS
    for entry in Entry.objects.order_by("seq"):
        entry.facts, entry.previous = {**entry.facts, "size": 1}, previous
        previous = entry.hash = record.entry_hash(entry)
        entry.save(force_update=True)


def lose_database() -> None:
    Upload.objects.all().delete()
    Grant.objects.all().delete()
    Entry.objects.all().delete()
    StoreIdentity.objects.all().delete()


def cut(behind: int) -> None:
    Entry.objects.filter(seq__gt=behind).delete()


@pytest.fixture
def five(known_store):
    """Four stored files, an entry without a receipt between them, and a checkpoint of its own for it."""
    store_one(b"1"), store_one(b"2"), end_one()
    checkpoints.write(known_store)
    return [store_one(b"4"), store_one(b"5")]


def test_a_ledger_that_holds_is_held_against_checkpoints_manifests_and_rows(five):
    told = verified()
    assert (told["status"], told["findings"], told["vouched"], told["entries"]) == (0, [], 5, 5)
    assert told["held_against"] == {"checkpoint": 1, "manifest": 4, "row": 4}


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (lambda: cut(4), {"beyond"}),
        (lambda: cut(0), {"beyond"}),
        (rewrite_all, {"rewritten"}),
        (lose_database, {"beyond"}),
        (lambda: Entry.objects.filter(seq=3).update(event="deleted"), {"broken", "unsigned"}),
        (lambda: Upload.objects.filter(slot=0).update(receipt="x.y.z"), {"forged"}),
    ],
)
def test_what_was_changed_by_hand_is_named(five, tampering, found):
    with by_hand():
        tampering()
    told = verified()
    assert (told["status"], kinds(told)) == (2, found)


@pytest.mark.parametrize("left", ["checkpoints", "collections"])
def test_either_checkpoints_or_manifests_are_enough_to_find_a_lost_database(five, nas, known_store, left):
    checkpoints.write(known_store)
    with by_hand():
        lose_database()
    shutil.rmtree(nas / {"checkpoints": "collections", "collections": "checkpoints"}[left])
    (nas / "collections").mkdir(exist_ok=True)
    assert kinds(verified()) == {"beyond"}


def test_a_tail_that_no_receipt_names_is_missed_once_a_checkpoint_was_behind_it(known_store):
    store_one()
    end_one(), end_one()
    call_command("recover", stdout=StringIO())
    with by_hand():
        cut(1)
    told = verified("--quick")
    assert kinds(told) == {"beyond"} and "ends at 1" in told["findings"][0]["said"]
    with pytest.raises(CommandError, match="1 failed"):
        call_command("recover", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="nothing was signed"):
        call_command("ledger", "checkpoint")


def test_a_changed_manifest_or_checkpoint_is_no_statement_of_ours(five, nas):
    (checkpoint,) = (nas / "checkpoints").iterdir()
    manifest = next(nas.glob("collections/*/*/*/*/*.manifest.json"))
    for path in (checkpoint, manifest):
        path.chmod(0o640)
        path.write_text(path.read_text().replace("eyJ", "eyK"))
    told = verified()
    assert sorted(one["what"] for one in told["findings"]) == ["forged", "forged"]
    assert {one["said"].split()[1] for one in told["findings"]} == {"checkpoint", "manifest"}


@pytest.mark.parametrize("seq", [3, 9])
def test_a_checkpoint_that_nobody_signed_is_no_fork_and_nothing_that_is_gone_on_from(five, nas, seq):
    (checkpoint,) = (nas / "checkpoints").iterdir()
    planted = forged(checkpoint.read_text(), ledger_seq=seq, ledger_head="ab" * 32)
    checkpoint.with_name(f"{seq:020d}-{'ab' * 8}-AAAAAAAA.jws").write_text(planted)
    told = verified()
    assert [(one["what"], one["of"]) for one in told["findings"]] == [("unvouched", str(seq))]
    call_command("ledger", "continue", "--yes", stdout=StringIO())
    assert Entry.objects.count() == 5 and kinds(verified()) == {"unvouched"}


def as_link(path):
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make", [as_link, os.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_place_of_a_statement_is_named_and_the_rest_is_looked_at(five, known_store, nas, make):
    (checkpoint,) = (nas / "checkpoints").iterdir()
    make(checkpoint.with_name("zzz"))
    manifest = min(nas.glob("collections/*/*/*/*/*.manifest.json"))
    manifest.unlink()
    make(manifest)
    with by_hand():
        Upload.objects.filter(id=five[1].id).update(receipt="x.y.z")
        cut(3)
    told = verified()
    assert told["status"] == 2 and told["held_against"] == {"checkpoint": 2, "manifest": 4, "row": 4}
    assert {one["of"] for one in told["findings"] if one["what"] == "forged"} == {
        "of-another-name",
        manifest.parent.name,
        str(five[1].id),
    }
    assert checkpoints.write(known_store) == 3
    call_command("ledger", "continue", "--yes", stdout=StringIO())
    assert {one["what"] for one in verified()["findings"]} == {"forged"}


def test_a_file_in_the_place_of_the_checkpoints_is_named(five, nas):
    shutil.rmtree(nas / "checkpoints")
    (nas / "checkpoints").touch()
    assert (verified()["status"], kinds(verified())) == (2, {"forged"})


def test_an_old_checkpoint_under_a_newer_name_hides_no_cut(known_store, nas):
    store_one()
    checkpoints.write(known_store)
    (old,) = (nas / "checkpoints").iterdir()
    end_one()
    checkpoints.write(known_store)
    old.rename(old.with_name("9" * 20 + old.name[20:]))
    with by_hand():
        cut(1)
    with pytest.raises(checkpoints.Contradicted):
        checkpoints.write(known_store)
    assert kinds(verified()) == {"beyond", "forged"}


def test_a_statement_of_another_key_vouches_for_nothing(five, nas, settings, tmp_path):
    """Whoever rewrote all of it may have signed all of it again: with a key of their own."""
    from services_app.uploads import receipts

    settings.RECEIPT_KEY_FILE = str(key_set(tmp_path / "rotated.jwks", new_key()))
    receipts.issuer.forget()
    assert kinds(verified()) == {"unvouched"}
    call_command("ledger", "checkpoint", stdout=StringIO())
    assert verified()["findings"] == []


def test_a_store_that_is_away_is_not_taken_for_one_that_agrees(five, nas):
    nas.rename(nas.with_name("away"))
    out = StringIO()
    with pytest.raises(CommandError, match="store is not there") as told:
        call_command("verify_ledger", stdout=out)
    assert told.value.returncode == 1


def test_a_fork_after_a_restore_is_named_and_going_on_is_an_entry_that_knows_it(five, known_store):
    gone = [(upload.id, Entry.objects.get(upload_id=upload.id).seq) for upload in five]
    with by_hand():  # an older database
        cut(3)
        Upload.objects.filter(id__in=[upload_id for upload_id, _ in gone]).delete()
    store_one(b"since")
    told = verified()
    assert {(one["what"], one["of"]) for one in told["findings"]} == {("fork", "4"), ("beyond", "5")}
    assert all(str(upload_id) in str(told["findings"]) for upload_id, _ in gone)

    with pytest.raises(CommandError, match="continue --yes"):
        call_command("ledger", "continue", stdout=StringIO())
    assert Entry.objects.count() == 4
    call_command("ledger", "continue", "--yes", stdout=StringIO())
    told = verified()
    assert (told["status"], told["continued"], told["findings"]) == (0, [5], [])
    store_one(b"afterwards")
    call_command("recover", stdout=StringIO())
    assert verified()["findings"] == []
    with by_hand():  # what is known does not excuse the next one
        cut(5)
    assert kinds(verified()) == {"beyond"}
    with pytest.raises(checkpoints.Contradicted):
        checkpoints.write(known_store)


def test_only_what_the_receipt_key_signed_excuses_a_cut(five):
    """Who can write to the database alone can make entries, and copy those of another place."""
    with by_hand():
        cut(3)
    call_command("ledger", "continue", "--yes", stdout=StringIO())
    signed = Entry.objects.get(event="continued").facts["signed"]
    with by_hand():
        cut(2)
        with transaction.atomic():
            ids = {"upload_id": record.OF_NO_UPLOAD, "grant_id": record.OF_NO_UPLOAD}
            record.append("continued", **ids, at=timezone.now(), facts={"signed": signed})
            record.append("continued", **ids, at=timezone.now(), facts={"known": [[4, "a" * 64]]})
    assert "beyond" in kinds(verified())


def test_continuing_where_nothing_contradicts_enters_nothing(five):
    out = StringIO()
    call_command("ledger", "continue", "--yes", stdout=out)
    assert "nothing was entered" in out.getvalue() and Entry.objects.count() == 5


def test_a_checkpoint_is_never_overwritten_and_only_readable(known_store, nas):
    store_one()
    assert checkpoints.write(known_store) == checkpoints.write(known_store) == 1
    (path,) = (nas / "checkpoints").iterdir()
    assert path.stat().st_mode & 0o777 == 0o440
    path.chmod(0o640)
    path.write_text("mine")
    checkpoints.write(known_store)
    assert path.read_text() == "mine"
