"""What a crash leaves behind is settled: committed, waiting at its last checkpoint, or aborted; once, whoever asks."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.store.errors import ObjectUnknown, StoreFull, StoreUnavailable
from services_app.uploads import actions, errors, policies, recover, removal
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, takeover
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of, some_uuid, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
CONTENT = b"the whole file"


@pytest.fixture
def claims():
    return claims_object()


@pytest.fixture
def gone():
    """The name of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    machine, _, started = leases.owner().rsplit(":", 2)
    process.wait()
    return f"{machine}:{process.pid}:{started}"


@pytest.fixture
def crashed(claims, known_store):
    """A function: an upload whose process vanished at this point of its way, and was never heard of again."""

    def crash(at):
        upload = begun(claims, announced(len(CONTENT)))
        if at != "begun":
            with known_store.stage(upload.id) as staged:
                staged.write(memoryview(CONTENT[:5] if at == "receiving" else CONTENT))
                if at == "receiving":
                    actions.checkpoint(upload, offset=3, digest_state=b"of three", media_type="")
                staged.finish()
        if at in ("committing", "linked", "published"):
            actions.begin_commit(upload, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), media_type="text/plain")
        if at in ("linked", "published"):
            path = known_store.root.joinpath("collections", *actions.directory_of(upload), upload.safe_name)
            path.parent.mkdir(parents=True)
            os.link(known_store.root / "staging" / str(upload.id), path)
        if at == "published":
            known_store.discard(upload.id)
        Upload.objects.filter(id=upload.id).update(**making.over())
        return Upload.objects.select_related("grant").get(id=upload.id)

    return crash


@pytest.mark.parametrize(("at", "offset"), [("begun", 0), ("receiving", 3), ("received", 0)])
@pytest.mark.parametrize("may_wake_up", [True, False])
def test_what_was_not_whole_waits_at_its_last_checkpoint(crashed, claims, nas, gone, at, offset, may_wake_up):
    upload = crashed(at)
    upload.owner = upload.owner if may_wake_up else gone
    Upload.objects.update(owner=upload.owner)
    before = os.stat(nas / "staging" / str(upload.id)).st_ino if at != "begun" else None
    assert recover.settle(upload) == "waiting"
    now = Upload.objects.get()
    assert (now.offset, now.owner, now.problem, now.slot) == (offset, "", "body_cut_off", 0)
    assert not Entry.objects.exists()
    if may_wake_up and offset:
        path = nas / "staging" / str(upload.id)
        assert path.read_bytes() == CONTENT[:offset] and path.stat().st_ino != before
    elif may_wake_up:
        assert stored_files(nas) == []
    # The next PUT supersedes it, and a PATCH may go on with it.
    assert policies.slot_for(claims) == (0, [now])
    assert takeover.seize(now_of(upload)).offset == offset


def test_what_is_staged_in_part_only_ends_the_upload(crashed, known_store):
    upload = crashed("receiving")
    known_store.discard(upload.id)
    assert recover.settle(upload) == "aborted"
    assert Upload.objects.get().problem == "upload_gone" and Upload.objects.get().slot is None


def test_the_request_that_was_settled_promises_nothing_more(crashed):
    upload = crashed("receiving")
    alive = Upload.objects.select_related("grant").get()
    recover.settle(upload)
    for change in (
        lambda: actions.checkpoint(alive, offset=5, digest_state=b"", media_type=""),
        lambda: actions.wait(alive),
        lambda: actions.begin_commit(alive, size=5, sha256="", media_type=""),
        lambda: actions.abort(alive, "type_refused"),
    ):
        with pytest.raises(actions.LeaseLost):
            change()
    assert (Upload.objects.get().state, Upload.objects.get().offset) == ("waiting", 3)


def test_a_request_that_came_back_to_life_is_left_alone(crashed):
    upload = crashed("receiving")
    actions.checkpoint(alive := Upload.objects.select_related("grant").get(), offset=5, digest_state=b"", media_type="")
    actions.keep_lease(alive)
    assert recover.settle(upload) is None
    assert (Upload.objects.get().state, Upload.objects.get().offset) == ("receiving", 5)


def test_a_settler_that_crashes_itself_leaves_the_first_owner_noted(crashed, known_store, monkeypatch):
    upload = crashed("receiving")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(known_store, "reseat", killed)
        recover.settle(upload)
    now = Upload.objects.get()
    assert (now.state, now.owner) == ("receiving", upload.owner) and now.generation == 2
    assert not leases.is_abandoned(now)
    monkeypatch.setattr(leases, "uptime", lambda: now.lease_uptime)
    assert leases.is_abandoned(now)


def test_a_request_that_waits_for_its_turn_is_still_the_next_one_after_a_settlement(crashed):
    upload = crashed("receiving")
    mine = takeover._raise_hand(upload.id)
    recover.settle(Upload.objects.select_related("grant").get())
    now = Upload.objects.get()
    assert (now.state, now.contender, now.generation) == ("waiting", mine, mine)


def test_what_waited_too_long_is_aborted_and_the_grant_is_free(crashed, claims, nas, settings):
    recover.settle(crashed("receiving"))
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1), lease_uptime=-settings.UPLOAD_EXPIRY)
    recover.settle_stale_uploads_of(claims.jti)
    assert (Upload.objects.get().state, Upload.objects.get().problem) == ("aborted", "upload_expired")
    assert stored_files(nas) == [] and policies.slot_for(claims) == (0, [])
    assert [entry.event for entry in Entry.objects.all()] == ["aborted"]


def test_what_waits_within_its_time_is_left_alone(crashed):
    recover.settle(crashed("receiving"))
    assert recover.stale_uploads() == []


@pytest.mark.parametrize("at", ["committing", "linked", "published"])
def test_what_was_whole_is_committed_with_ledger_receipt_and_manifest(crashed, nas, known_store, at):
    upload = crashed(at)
    assert recover.settle(upload) == "committed"
    upload.refresh_from_db()
    assert upload.receipt and upload.durable_at
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT
    assert json.loads(known_store.path(actions.object_name(upload) + ".manifest.json").read_text())["size"] == 14
    assert [entry.event for entry in Entry.objects.all()] == ["committed"]
    assert list((nas / "staging").iterdir()) == []


@pytest.mark.parametrize("at", ["receiving", "committing", "published"])
def test_settling_twice_changes_nothing_more(crashed, at):
    stale = crashed(at)
    recover.settle(Upload.objects.select_related("grant").get())
    assert recover.settle(stale) is None
    assert Entry.objects.count() == (at != "receiving")


def test_a_committing_upload_whose_bytes_are_gone_is_aborted(crashed, known_store):
    upload = crashed("committing")
    known_store.path(actions.object_name(upload)).parent.mkdir(parents=True)  # its request made that ahead
    known_store.discard(upload.id)
    assert recover.settle(upload) == "aborted"
    assert Upload.objects.get().problem == "upload_gone"


@pytest.mark.parametrize("found", [b"short", b"THE WHOLE FILE"])
@pytest.mark.parametrize("patiently", [False, True])
def test_an_object_of_other_bytes_is_left_for_a_person(crashed, known_store, found, patiently):
    upload = crashed("published")
    path = known_store.path(actions.object_name(upload))
    path.write_bytes(found)
    with pytest.raises(errors.StoreUnavailable):
        recover.settle(upload, patiently=patiently)
    assert path.exists() and Upload.objects.get().state == "committing" and not Entry.objects.exists()


def test_a_large_object_that_is_no_longer_staged_is_read_only_while_nobody_waits(crashed, monkeypatch):
    upload = crashed("published")
    monkeypatch.setattr(recover, "_AT_ONCE", 13)
    with pytest.raises(errors.StoreUnavailable):
        recover.settle(upload)
    upload.refresh_from_db()
    assert recover.settle(upload, patiently=True) == "committed"


@pytest.mark.parametrize("at", ["receiving", "committing", "published"])
def test_without_the_nas_nothing_is_decided_and_the_next_one_may_try_at_once(crashed, nas, at):
    upload = crashed(at)
    away = nas.with_name("unmounted")
    shutil.move(nas, away)
    nas.mkdir()
    with pytest.raises(errors.StoreUnavailable):
        recover.settle(upload)
    assert not Entry.objects.exists() and list(nas.iterdir()) == []
    nas.rmdir()
    shutil.move(away, nas)
    assert [stale.id for stale in recover.stale_uploads()] == [upload.id]
    recover.settle_stale_uploads_of(upload.grant_id)
    assert Upload.objects.get().state == ("waiting" if at == "receiving" else "committed")


def test_an_upload_that_is_held_is_left_alone(claims):
    begun(claims, announced())
    assert recover.stale_uploads() == []
    recover.settle_stale_uploads_of(claims.jti)
    assert Upload.objects.get().state == "receiving"


def test_only_the_grant_that_was_asked_for_is_settled(crashed):
    other = begun(claims_object(), announced())
    Upload.objects.filter(id=other.id).update(**making.over())
    upload = crashed("receiving")
    recover.settle_stale_uploads_of(upload.grant_id)
    assert Upload.objects.get(id=upload.id).state == "waiting"
    assert Upload.objects.get(id=other.id).state == "receiving"


def test_the_command_settles_all_and_counts(crashed):
    crashed("committing")
    other = begun(claims_object(), announced())
    Upload.objects.filter(id=other.id).update(**making.over())
    out = StringIO()
    call_command("recover", stdout=out)
    assert out.getvalue().strip() == "committed 1, waiting 1, aborted 0, leftovers removed 0, manifests written 0"


def test_the_command_removes_the_bytes_of_uploads_that_ended_and_no_others(crashed, nas, known_store):
    stays, ended = crashed("receiving"), begun(claims_object(), announced())
    actions.abort(ended, "too_large")
    unknown = some_uuid()
    for name in (ended.id, f"{ended.id}.0123", f"{stays.id}.0123", unknown, "notes.txt"):
        (nas / "staging" / str(name)).write_bytes(b"left")
    out = StringIO()
    call_command("recover", stdout=out)
    assert "waiting 1, aborted 0, leftovers removed 2," in out.getvalue()
    assert set(known_store.staged_names()) == {str(stays.id), str(unknown), "notes.txt"}


def test_the_command_writes_manifests_that_are_missing(crashed, known_store):
    upload = crashed("committing")
    recover.settle(upload)
    manifest = known_store.path(actions.object_name(upload) + ".manifest.json")
    manifest.unlink()
    out = StringIO()
    call_command("recover", stdout=out)
    assert out.getvalue().strip().endswith("manifests written 1")
    assert manifest.exists()


def test_the_command_writes_no_manifest_for_an_object_that_is_gone(crashed, known_store):
    upload = crashed("committing")
    recover.settle(upload)
    shutil.rmtree(known_store.path(actions.object_name(upload)).parent)
    out = StringIO()
    call_command("recover", stdout=out)
    assert out.getvalue().strip().endswith("manifests written 0")


def looked_at(known_store, monkeypatch, *options) -> int:
    """How many manifests the command opened."""
    seen, real = [], type(known_store).metadata
    with monkeypatch.context() as patch:
        patch.setattr(type(known_store), "metadata", lambda self, name: seen.append(name) or real(self, name))
        call_command("recover", *options, stdout=StringIO())
    return len(seen)


@pytest.fixture
def stored(known_store):
    """A function: so many files, each by its own grant, committed."""

    def store(count):
        uploads = []
        for _ in range(count):
            upload = begun(claims_object(), announced(len(CONTENT)))
            with known_store.stage(upload.id) as staged:
                staged.write(memoryview(CONTENT))
                staged.finish()
            actions.begin_commit(upload, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), media_type="text/plain")
            receive.commit(upload)
            uploads.append(upload)
        return uploads

    return store


def test_the_command_looks_at_manifests_of_what_was_stored_since_the_last_time_alone(stored, known_store, monkeypatch):
    before = stored(3)
    assert looked_at(known_store, monkeypatch) == 3
    assert looked_at(known_store, monkeypatch) == 0
    (newer,) = stored(1)
    for upload in (before[0], newer):
        known_store.path(actions.object_name(upload) + ".manifest.json").unlink()
    assert looked_at(known_store, monkeypatch) == 1
    assert known_store.metadata(actions.object_name(newer))["upload_id"] == str(newer.id)
    with pytest.raises(ObjectUnknown):
        known_store.metadata(actions.object_name(before[0]))
    assert looked_at(known_store, monkeypatch, "--all-manifests") == 4
    assert known_store.metadata(actions.object_name(before[0]))["upload_id"] == str(before[0].id)


def test_a_manifest_that_could_not_be_written_or_looked_at_is_looked_at_again(stored, known_store, nas, monkeypatch):
    uploads = stored(3)
    path = known_store.path(actions.object_name(uploads[1]) + ".manifest.json")
    path.unlink()
    with monkeypatch.context() as patch, pytest.raises(CommandError, match="1 failed"):
        patch.setattr("services_app.uploads.content.manifest.write", lambda upload: False)
        call_command("recover", stdout=StringIO(), stderr=StringIO())
    assert looked_at(known_store, monkeypatch) == 2 and path.exists()
    collection = nas / "collections" / making.COLLECTION
    stored(1)
    collection.rename(nas / "away")
    assert looked_at(known_store, monkeypatch) == 1
    (nas / "away").rename(collection)
    assert looked_at(known_store, monkeypatch) == 1 and looked_at(known_store, monkeypatch) == 0


def test_a_file_that_was_brought_back_from_the_trash_is_looked_at_once_more(stored, known_store, monkeypatch):
    (upload,) = stored(1)
    assert looked_at(known_store, monkeypatch) == 1
    removal.remove(now_of(upload))
    assert looked_at(known_store, monkeypatch) == 0
    removal.bring_back(now_of(upload))
    assert looked_at(known_store, monkeypatch) == 1


def test_the_command_says_when_the_store_is_absent_and_names_every_upload(crashed, nas, capsys):
    upload, other = crashed("receiving"), begun(claims_object(), announced())
    making.abandon(other)
    shutil.move(nas, nas.with_name("unmounted"))
    with pytest.raises(CommandError, match="4 failed"):
        call_command("recover")
    said = capsys.readouterr().err.splitlines()
    assert {line.partition(": StoreUnavailable")[0] for line in said if "StoreUnavailable" in line} == {
        *(f"upload {each.id}" for each in (upload, other)),
        "staging",
        "checkpoint",
    }


@pytest.fixture
def unsettleable(crashed, known_store):
    """An upload whose object has another size than its row says: a person must look."""
    upload = crashed("published")
    known_store.path(actions.object_name(upload)).write_bytes(b"short")
    return upload


@pytest.mark.parametrize("fault", ["of its own", "a locked row", "a bug"])
def test_one_upload_that_cannot_be_settled_keeps_no_other_from_it(crashed, unsettleable, nas, monkeypatch, capsys, fault):
    other, ended = begun(claims_object(), announced()), begun(claims_object(), announced())
    making.abandon(other)
    actions.abort(ended, "too_large")
    (nas / "staging" / str(ended.id)).write_bytes(b"left")
    real = recover._take_over

    def failing(upload):
        if upload.id == unsettleable.id and fault != "of its own":
            raise OperationalError("locked") if fault == "a locked row" else RuntimeError("x")
        real(upload)

    monkeypatch.setattr(recover, "_take_over", failing)
    with pytest.raises(CommandError, match="1 failed"):
        call_command("recover")
    said = capsys.readouterr()
    assert said.out.strip() == "committed 0, waiting 1, aborted 0, leftovers removed 1, manifests written 0"
    cause = {"of its own": "StoreUnavailable", "a locked row": "OperationalError", "a bug": "RuntimeError"}[fault]
    assert f"upload {unsettleable.id}: {cause}" in said.err
    assert Upload.objects.get(id=unsettleable.id).state == "committing"


def test_one_leftover_or_manifest_that_fails_keeps_no_other_from_its_turn(
    crashed, nas, known_store, monkeypatch, capsys
):
    done = [crashed("committing")]
    recover.settle(done[0])
    ended = [begun(claims_object(), announced()) for _ in range(3)]
    for upload in ended:
        actions.abort(upload, "too_large")
        (nas / "staging" / str(upload.id)).write_bytes(b"left")
    known_store.path(actions.object_name(done[0]) + ".manifest.json").unlink()
    real = known_store.discard_name

    def failing(name):
        if name == str(ended[1].id):
            raise StoreUnavailable
        real(name)

    def full(*args):
        raise StoreFull

    monkeypatch.setattr(known_store, "discard_name", failing)
    monkeypatch.setattr(known_store, "write_manifest", full)
    with pytest.raises(CommandError, match="2 failed"):
        call_command("recover")
    said = capsys.readouterr()
    assert "leftovers removed 2, manifests written 0" in said.out
    assert f"upload {ended[1].id}: StoreUnavailable" in said.err
    assert f"upload {done[0].id}: its manifest cannot be written" in said.err


def test_an_upload_that_cannot_be_settled_keeps_its_place_and_no_other(unsettleable, claims, uploads, grant_token):
    """What may be visible counts; a grant of two has a second place."""
    put = lambda many: uploads(  # noqa: E731
        "PUT", "/u", token=grant_token(jti=str(claims.jti), max_uploads=many), body=making.a_zip()
    )
    refused = put(1)
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (503, "store_unavailable", "30")
    assert put(2).status_code == 201
    assert {upload.state: upload.slot for upload in Upload.objects.all()} == {"committing": 0, "committed": 1}


def test_a_question_about_the_others_is_answered_beside_one_that_cannot_be_settled(
    unsettleable, claims, control, grant_token
):
    other = begun(claims_object(jti=str(claims.jti), max_uploads=2), announced())
    making.abandon(other)
    told = control("GET", "/u", token=grant_token(jti=str(claims.jti), max_uploads=2)).json()["uploads"]
    assert [each["state"] for each in told] == ["committing", "waiting"]
