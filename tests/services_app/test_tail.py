"""What is left behind the last byte: the folder is there, a failed background sync is believed, the manifest follows the answer."""

import errno
import hashlib
import os

import pytest

from services_app.ledger.models import Entry
from services_app.store import durable, window
from services_app.uploads import actions, errors, recover, revoke
from services_app.uploads.content import ends, receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import takeover
from services_app.uploads.wire import afterwards
from tests.services_app.making import (
    a_zip,
    announced,
    begun,
    claims_object,
    now_of,
    over,
    received,
    request_body,
    stored_files,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

CONTENT = a_zip(os.urandom(200_000))


@pytest.fixture
def late_fault(monkeypatch):
    """The sync beside the sender fails; what is synced while the sender waits is noted, and works."""
    waited_for, real = [], os.fsync

    def fail(fd):
        raise OSError(errno.EIO, "late")

    monkeypatch.setattr(window, "_FIRST", 50_000)
    monkeypatch.setattr(window, "LEAST", 100_000)
    monkeypatch.setattr(receive, "BUFFER_BYTES", 50_000)
    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(os, "fsync", lambda fd: (waited_for.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    return waited_for


@pytest.mark.parametrize("sent", [len(CONTENT), 120_000], ids=["to its end", "cut off"])
def test_bytes_whose_sync_failed_beside_the_sender_are_never_promised_whatever_is_synced_later(nas, late_fault, sent):
    claims = claims_object()
    upload = begun(claims, announced(len(CONTENT)))
    with pytest.raises(errors.StoreUnavailable):
        receive.receive(upload, request_body(CONTENT[:sent], len(CONTENT)), claims, receive.Append(final=True))
    assert not [path for path in late_fault if "/staging/" in path], "it would have succeeded over lost bytes"
    upload = Upload.objects.get()
    assert (upload.state, upload.offset, upload.problem) == ("waiting", 0, "store_unavailable")
    assert not Entry.objects.exists() and stored_files(nas) == []


def test_an_upload_whose_background_sync_failed_goes_on_at_its_promise_and_is_stored_whole(known_store, late_fault, monkeypatch):
    claims = claims_object()
    upload = begun(claims, announced(len(CONTENT)))
    with pytest.raises(errors.BodyCutOff):
        receive.receive(upload, request_body(CONTENT[:40_000], len(CONTENT)), claims, receive.Append(final=True))
    upload = takeover.seize(now_of(upload))
    with pytest.raises(errors.StoreUnavailable):
        receive.receive(upload, request_body(CONTENT[40_000:]), claims, receive.Append(final=True))
    assert now_of(upload).offset == 40_000
    monkeypatch.undo()
    upload = takeover.seize(now_of(upload))
    receive.receive(upload, request_body(CONTENT[40_000:]), claims, receive.Append(final=True))
    assert upload.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT


def test_the_folders_are_durable_before_the_first_byte_and_are_not_synced_again(nas, monkeypatch):
    events, sync, write = [], durable.sync_directory, durable.write_all
    monkeypatch.setattr(durable, "sync_directory", lambda fd: (events.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd)))
    monkeypatch.setattr(durable, "write_all", lambda fd, data: (events.append("byte"), write(fd, data)))
    monkeypatch.setattr("services_app.uploads.content.manifest.write_afterwards", lambda _: None)
    upload = received(request_body(CONTENT[:1000]), claims_object(), announced(1000))
    folders = [str(nas / "collections" / "/".join(actions.directory_of(upload)[:depth])) for depth in (1, 2, 3, 4)]
    assert events == [*folders[:3], "byte", folders[3]]


def test_a_folder_that_was_replaced_since_is_made_and_synced_anew(store, nas, upload_id, directory, monkeypatch):
    with store.stage(upload_id) as staged:
        made = store.make_place(staged, directory)
        staged.write(memoryview(b"the whole file"))
        staged.finish()
    folder = nas.joinpath("collections", *directory)
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    synced, sync = [], durable.sync_directory
    monkeypatch.setattr(durable, "sync_directory", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd)))
    store.publish(upload_id, directory, "scan.zip", 14, made)
    assert synced == [str(path) for path in (*reversed(folder.parents[:3]), folder)]
    assert (folder / "scan.zip").read_bytes() == b"the whole file"


def refused(upload):
    takeover.seize(upload)
    ends.give_up(upload, errors.TypeRefused.code)


def expired(upload):
    Upload.objects.filter(id=upload.id).update(**over())
    recover.settle(now_of(upload))


ENDS = {"given up": refused, "expired": expired, "revoked": lambda upload: revoke.take_back(upload.grant_id)}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_no_folder_stays_of_a_request_that_was_cut_off_nor_of_a_killed_one_whose_upload_ends(nas, end):
    claims = claims_object()
    upload = begun(claims, announced(len(CONTENT)))
    with pytest.raises(errors.BodyCutOff):
        receive.receive(upload, request_body(CONTENT[:4000], len(CONTENT)), claims, receive.Append(final=True))
    folder = nas.joinpath("collections", *actions.directory_of(upload))
    assert folder.parent.is_dir() and not folder.exists()
    folder.mkdir()  # of a process that was killed
    end(now_of(upload))
    assert now_of(upload).state == "aborted"
    assert not folder.exists() and not list((nas / "staging").iterdir())


def test_the_manifest_is_written_when_the_answer_is_closed_and_at_once_where_there_is_none(known_store):
    afterwards.begin()
    upload = received(request_body(CONTENT), claims_object(), announced(len(CONTENT)))
    folder = known_store.path(actions.object_name(upload)).parent
    assert upload.receipt and [file.name for file in folder.iterdir()] == ["scan.zip"]
    afterwards._do_all()  # as the signal does; through the real server: tests/faults/test_waits.py
    assert known_store.metadata(actions.object_name(upload))["receipt"] == upload.receipt
    at_once = received(request_body(CONTENT), claims_object(), announced(len(CONTENT)))
    assert known_store.metadata(actions.object_name(at_once))["receipt"] == at_once.receipt
