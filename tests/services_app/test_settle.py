"""What a crash leaves behind is brought to its end: committed or aborted, once, whoever asks."""

import json
import os
import shutil
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.uploads import actions, errors, policies, recover
from services_app.uploads.models import Grant, Upload
from tests.services_app.making import announced, claims_object, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
CONTENT = b"the whole file"


@pytest.fixture
def claims():
    return claims_object()


@pytest.fixture
def crashed(claims, known_store):
    """A function: an upload whose process vanished at this point of its way, and was never heard of again."""

    def crash(at):
        upload = actions.claim(claims, announced(len(CONTENT)))
        if at != "claimed":
            with known_store.stage(upload.id) as staged:
                staged.write(memoryview(CONTENT[:5] if at == "receiving" else CONTENT))
                staged.finish()
                staged.keep()
        if at in ("committing", "linked", "published"):
            actions.begin_commit(upload, size=len(CONTENT), sha256="ab" * 32, media_type="text/plain")
        if at in ("linked", "published"):
            path = known_store.root.joinpath("collections", *actions.directory_of(upload), upload.safe_name)
            path.parent.mkdir(parents=True)
            os.link(known_store.root / "staging" / str(upload.id), path)
        if at == "published":
            known_store.discard(upload.id)
        Upload.objects.filter(id=upload.id).update(lease_until=timezone.now() - timedelta(seconds=1))
        return Upload.objects.select_related("grant").get(id=upload.id)

    return crash


@pytest.mark.parametrize("at", ["claimed", "receiving", "received"])
def test_what_was_not_whole_is_aborted_and_the_grant_is_free(crashed, claims, nas, at):
    upload = crashed(at)
    assert recover.settle(upload) == "aborted"
    assert stored_files(nas) == []
    assert [entry.event for entry in Entry.objects.all()] == ["aborted"]
    assert Grant.objects.get().last_refusal == "body_cut_off"
    assert policies.free_slot(claims) == 0


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
    assert Entry.objects.count() == 1


def test_a_committing_upload_whose_bytes_are_gone_is_aborted(crashed, known_store):
    upload = crashed("committing")
    known_store.discard(upload.id)
    assert recover.settle(upload) == "aborted"


def test_an_object_of_another_size_is_left_for_a_person(crashed, known_store):
    upload = crashed("published")
    path = known_store.path(actions.object_name(upload))
    path.write_bytes(b"short")
    with pytest.raises(errors.StoreUnavailable):
        recover.settle(upload)
    assert path.exists() and Upload.objects.get().state == "committing" and not Entry.objects.exists()


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
    assert Upload.objects.get().state == ("aborted" if at == "receiving" else "committed")


def test_an_upload_that_is_held_is_left_alone(claims):
    actions.claim(claims, announced())
    assert recover.stale_uploads() == []
    recover.settle_stale_uploads_of(claims.jti)
    assert Upload.objects.get().state == "receiving"


def test_only_the_grant_that_was_asked_for_is_settled(crashed):
    other = actions.claim(claims_object(), announced())
    Upload.objects.filter(id=other.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    upload = crashed("receiving")
    recover.settle_stale_uploads_of(upload.grant_id)
    assert Upload.objects.get(id=upload.id).state == "aborted"
    assert Upload.objects.get(id=other.id).state == "receiving"


def test_the_command_settles_all_and_counts(crashed):
    crashed("committing")
    other = actions.claim(claims_object(), announced())
    Upload.objects.filter(id=other.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    out = StringIO()
    call_command("recover", stdout=out)
    assert out.getvalue().strip() == "committed 1, aborted 1, manifests written 0"


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


def test_the_command_says_when_the_store_is_absent(crashed, nas):
    crashed("receiving")
    shutil.move(nas, nas.with_name("unmounted"))
    with pytest.raises(CommandError, match="not usable"):
        call_command("recover")
