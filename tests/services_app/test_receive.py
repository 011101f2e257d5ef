"""The byte path from its first byte to committed, waiting or aborted, without HTTP."""

import errno
import hashlib
import os
import shutil

import pytest

from services_app.ledger.models import Entry
from services_app.store import durable
from services_app.store.digest import Sha256
from services_app.uploads import actions, errors, recover
from services_app.uploads.content import media, receive
from services_app.uploads.models import Grant, Upload
from services_app.uploads.ownership import takeover
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of, received, request_body, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

ZIP = making.a_zip()


@pytest.fixture
def put():
    """A function: receive these bytes under a good token with these claims."""

    def put(content=ZIP, length=None, digest=None, chunked=False, **claims):
        body = request_body(content, length)
        if chunked:
            body.length = None
        claims = claims_object(**claims)
        return received(body, claims, announced(None if chunked else body.length, digest))

    return put


def nothing_is_left(nas, code):
    upload = Upload.objects.get()
    assert (upload.state, upload.slot, upload.problem) == ("aborted", None, code)
    assert Grant.objects.get().last_refusal == code
    assert [entry.event for entry in Entry.objects.all()] == ["aborted"]
    assert stored_files(nas) == []


def test_a_whole_file_is_stored_described_and_in_the_ledger(put, nas, known_store):
    upload = put()
    stored = known_store.path(actions.object_name(upload))
    assert stored.name == "scan.zip" and stored.read_bytes() == ZIP
    assert (upload.state, upload.size, upload.media_type) == ("committed", len(ZIP), "application/zip")
    assert upload.sha256 == hashlib.sha256(ZIP).hexdigest()
    manifest = known_store.metadata(actions.object_name(upload))
    assert (manifest["sha256"], manifest["size"], manifest["name"]) == (upload.sha256, len(ZIP), "scan.zip")
    assert manifest["receipt"] == upload.receipt
    assert [entry.event for entry in Entry.objects.all()] == ["committed"]
    assert list((nas / "staging").iterdir()) == []


def test_an_empty_file_is_a_file(put):
    upload = put(b"")
    assert (upload.size, upload.sha256) == (0, hashlib.sha256(b"").hexdigest())


def test_a_file_larger_than_the_buffer_arrives_whole(put, known_store, monkeypatch):
    monkeypatch.setattr(receive, "BUFFER_BYTES", 1000)
    content = os.urandom(200_001)
    upload = put(content)
    assert known_store.path(actions.object_name(upload)).read_bytes() == content
    assert upload.sha256 == hashlib.sha256(content).hexdigest()


def waits(nas, code, content):
    """The one upload waits for its sender behind this content, which is durable and whose digest is known."""
    upload = Upload.objects.get()
    assert (upload.state, upload.slot, upload.problem, upload.owner) == ("waiting", 0, code, "")
    assert upload.offset == len(content) and not Entry.objects.exists()
    staged = nas / "staging" / str(upload.id)
    if content:
        assert staged.read_bytes()[: upload.offset] == content
        assert Sha256(bytes(upload.digest_state)).hexdigest() == hashlib.sha256(content).hexdigest()
    else:
        assert not staged.exists()
    return upload


def test_a_body_that_ends_early_is_never_committed_and_waits_with_all_that_came(put, nas):
    with pytest.raises(errors.BodyCutOff):
        put(ZIP, length=len(ZIP) + 1)
    waits(nas, "body_cut_off", ZIP)


def test_a_body_without_a_byte_waits_with_nothing(put, nas):
    with pytest.raises(errors.BodyCutOff):
        put(b"", length=5)
    upload = Upload.objects.get()
    assert (upload.state, upload.offset) == ("waiting", 0) and stored_files(nas) == []


def test_a_chunked_body_over_the_limit_is_stopped_at_the_byte(put, nas):
    with pytest.raises(errors.TooLarge):
        put(ZIP, chunked=True, max_size=len(ZIP) - 1)
    nothing_is_left(nas, "too_large")


def test_a_chunked_body_of_exactly_the_limit_is_taken(put):
    assert put(ZIP, chunked=True, max_size=len(ZIP)).size == len(ZIP)


def test_the_tiers_own_limit_counts_beside_the_tokens(put, nas, settings):
    settings.UPLOAD_MAX_SIZE = 10
    with pytest.raises(errors.TooLarge):
        put(ZIP, chunked=True)
    nothing_is_left(nas, "too_large")


def test_a_chunked_body_shorter_than_the_grant_names_is_refused(nas):
    body = request_body(ZIP)
    body.length = None
    with pytest.raises(errors.LengthDiffers):
        received(body, claims_object(length=len(ZIP) + 1), announced(None))
    nothing_is_left(nas, "length_differs")


def test_a_digest_that_the_grant_names_is_compared(put, nas):
    with pytest.raises(errors.DigestDiffers):
        put(sha256="ab" * 32)
    nothing_is_left(nas, "digest_differs")


def test_a_digest_that_the_sender_names_is_compared(put, nas):
    with pytest.raises(errors.DigestDiffers):
        put(digest="ab" * 32)
    nothing_is_left(nas, "digest_differs")


def test_both_digests_must_be_right(put, nas):
    right = hashlib.sha256(ZIP).hexdigest()
    with pytest.raises(errors.DigestDiffers):
        put(digest=right, sha256="ab" * 32)
    nothing_is_left(nas, "digest_differs")
    assert put(digest=right, sha256=right).sha256 == right


def test_a_type_that_the_grant_does_not_take_is_refused_before_it_is_written(nas, monkeypatch):
    content = b"%PDF-1.7\n" + b"x" * 10 * media.SNIFF_BYTES
    body = request_body(content)
    monkeypatch.setattr(receive, "BUFFER_BYTES", media.SNIFF_BYTES)
    with pytest.raises(errors.TypeRefused):
        received(body, claims_object(media_types=["application/zip"]), announced(len(content)))
    assert body.received == media.SNIFF_BYTES
    nothing_is_left(nas, "type_refused")


def test_a_short_file_is_judged_at_its_end(put, nas):
    with pytest.raises(errors.TypeRefused):
        put(b"%PDF-1.7\n", media_types=["application/zip"])
    nothing_is_left(nas, "type_refused")


def test_a_full_store_leaves_nothing_of_an_upload_that_began_with_this_request(put, nas, monkeypatch):
    def full(fd, data):
        raise OSError(errno.EDQUOT, "quota")

    with monkeypatch.context() as patch, pytest.raises(errors.NoSpace):
        patch.setattr(durable, "write_all", full)
        put()
    nothing_is_left(nas, "no_space")


def test_a_nas_that_vanished_stores_nothing(put, nas):
    away = nas.with_name("unmounted")
    shutil.move(nas, away)
    nas.mkdir()
    with pytest.raises(errors.StoreUnavailable):
        put()
    assert list(nas.iterdir()) == [] and stored_files(away) == []
    assert (Upload.objects.get().state, Upload.objects.get().offset) == ("waiting", 0)


def test_a_fault_of_our_own_leaves_the_upload_waiting_and_is_not_hidden(put, nas, monkeypatch):
    def broken(head):
        raise RuntimeError

    monkeypatch.setattr(media, "detect", broken)
    with pytest.raises(RuntimeError):
        put()
    waits(nas, "internal_error", b"")


def test_a_folder_sync_that_failed_leaves_the_outcome_open_and_the_next_request_finds_it(put, nas, monkeypatch):
    claims = claims_object()
    real, calls = durable.sync_directory, []

    def failing(fd):
        calls.append(fd)
        if len(calls) == 4:  # year, month and upload folder were made; this is the object's own
            raise OSError(errno.EIO, "io")
        real(fd)

    with monkeypatch.context() as patch, pytest.raises(errors.StoreUnavailable):
        patch.setattr(durable, "sync_directory", failing)
        received(request_body(ZIP), claims, announced(len(ZIP)))
    assert Upload.objects.get().state == "committing" and not Entry.objects.exists()
    recover.settle_stale_uploads_of(claims.jti)
    with pytest.raises(errors.AlreadyCommitted):
        received(request_body(ZIP), claims, announced(len(ZIP)))
    assert Upload.objects.get().state == "committed"
    assert [entry.event for entry in Entry.objects.all()] == ["committed"]


@pytest.mark.parametrize("breaks", ["ledger", "receipt"])
def test_an_object_that_is_visible_is_never_aborted(put, nas, monkeypatch, breaks):
    claims = claims_object()

    def broken(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(errors.StoreUnavailable):
        if breaks == "ledger":
            patch.setattr(actions.record, "append", broken)
        else:
            patch.setattr(actions, "issuer", broken)
        received(request_body(ZIP), claims, announced(len(ZIP)))
    assert len([found for found in stored_files(nas) if found.endswith("scan.zip")]) == 1
    assert Upload.objects.get().state == "committing" and not Entry.objects.exists()
    recover.settle_stale_uploads_of(claims.jti)
    with pytest.raises(errors.AlreadyCommitted):
        received(request_body(ZIP), claims, announced(len(ZIP)))
    assert len([found for found in stored_files(nas) if found.endswith("scan.zip")]) == 1
    assert Upload.objects.get().receipt


def test_a_manifest_that_cannot_be_written_does_not_undo_a_commit(put, known_store, monkeypatch):
    from services_app.store.errors import StoreFull

    def full(*args):
        raise StoreFull

    monkeypatch.setattr(known_store, "write_manifest", full)
    assert put().state == "committed"


def lost(upload):
    """The lease ran out, as of a process that is cut off from the database."""
    Upload.objects.filter(id=upload.id).update(**making.over())


def test_a_writer_that_lost_its_lease_changes_nothing_and_leaves_the_winner_alone(nas, known_store, monkeypatch):
    claims, real = claims_object(), media.detect

    def meanwhile(head):
        monkeypatch.setattr(media, "detect", real)
        lost(Upload.objects.get())
        recover.settle_stale_uploads_of(claims.jti)
        winner.append(received(request_body(b"the winner"), claims, announced(10)))
        return real(head)

    winner = []
    monkeypatch.setattr(media, "detect", meanwhile)
    with pytest.raises(errors.UploadInProgress):
        received(request_body(ZIP), claims, announced(len(ZIP)))
    assert [entry.event for entry in Entry.objects.order_by("seq")] == ["aborted", "committed"]
    assert winner[0].state == "committed" == Upload.objects.get(id=winner[0].id).state
    assert known_store.path(actions.object_name(winner[0])).read_bytes() == b"the winner"
    assert [found.split("/")[0] for found in stored_files(nas) if found.endswith(".zip")] == ["collections"]


@pytest.mark.parametrize("saved", [0, 6])
def test_a_write_that_wakes_up_late_does_not_reach_the_bytes_of_who_went_on(known_store, monkeypatch, saved):
    old, new, claims = b"prefixOLD BYTES AND MORE", b"prefixnew", claims_object()
    upload, real = begun(claims, announced(None)), durable.write_all
    if saved:
        receive.receive(upload, request_body(old[:saved]), claims, receive.Append())
        upload = takeover.seize(now_of(upload))

    def stalled(fd, data):
        monkeypatch.setattr(durable, "write_all", real)
        lost(upload)
        recover.settle_stale_uploads_of(claims.jti)
        resumed = takeover.seize(now_of(upload))
        assert resumed.offset == saved
        receive.receive(resumed, request_body(new[saved:]), claims, receive.Append(final=True))
        done.append(resumed)
        real(fd, data)

    done = []
    monkeypatch.setattr(durable, "write_all", stalled)
    with pytest.raises(errors.UploadInProgress):
        receive.receive(upload, request_body(old[saved:]), claims, receive.Append(final=True))
    (resumed,) = done
    assert known_store.path(actions.object_name(resumed)).read_bytes() == new
    assert Upload.objects.get().sha256 == hashlib.sha256(new).hexdigest()
    assert known_store.staged_names() == []


def test_a_checkpoint_promises_only_what_was_synced(put, monkeypatch):
    events, checkpoint = [], actions.checkpoint
    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0)
    monkeypatch.setattr(receive, "BUFFER_BYTES", 50)

    def synced(fd, fsync=os.fsync):
        if "collections" not in (path := os.readlink(f"/proc/self/fd/{fd}")):
            events.append("staging" if path.endswith("/staging") else os.fstat(fd).st_size)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", synced)

    def noted(upload, *, offset, **more):
        events.append(f"offset {offset}")
        checkpoint(upload, offset=offset, **more)

    monkeypatch.setattr(actions, "checkpoint", noted)
    put()
    # The very first one also makes the name in staging durable.
    assert events[:5] == [50, "staging", "offset 50", 100, "offset 100"]


def test_a_checkpoint_that_fails_promises_nothing_and_is_not_tried_again(put, nas, monkeypatch):
    calls, fsync = [], os.fsync

    def failing(fd):
        if "/staging/" not in os.readlink(f"/proc/self/fd/{fd}"):
            return fsync(fd)
        calls.append(fd)
        if len(calls) > 1:
            raise OSError(errno.EIO, "io")
        return fsync(fd)

    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0)
    monkeypatch.setattr(receive, "BUFFER_BYTES", 50)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(errors.StoreUnavailable):
        put()
    assert len(calls) == 2
    waits(nas, "store_unavailable", ZIP[:50])


def test_a_failing_sync_after_a_cut_promises_nothing(put, nas, monkeypatch):
    def failing(fd):
        raise OSError(errno.EIO, "io")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(errors.StoreUnavailable):
        put(ZIP, length=len(ZIP) + 1)
    waits(nas, "store_unavailable", b"")


def test_a_malformed_chunk_costs_nothing_that_was_promised(nas, monkeypatch):
    claims = claims_object()
    upload = begun(claims, announced(None))
    receive.receive(upload, request_body(b"safe"), claims, receive.Append())
    body = request_body(b"more")
    monkeypatch.setattr(body, "fill", lambda _: (_ for _ in ()).throw(errors.RequestMalformed()))
    with pytest.raises(errors.RequestMalformed):
        receive.receive(takeover.seize(now_of(upload)), body, claims, receive.Append())
    waits(nas, "request_malformed", b"safe")


def full(*args, **kwargs):
    raise OSError(errno.EDQUOT, "quota")


def test_a_store_that_takes_no_folder_is_told_before_a_byte_is_taken(nas, monkeypatch):
    body, claims = request_body(ZIP), claims_object()
    upload = begun(claims, announced(len(ZIP)))
    with monkeypatch.context() as patch, pytest.raises(errors.NoSpace):
        patch.setattr(os, "mkdir", full)
        receive.receive(upload, body, claims, receive.Append(final=True))
    assert body.received == 0 and stored_files(nas) == []


def test_a_store_that_fails_while_publishing_leaves_the_commit_to_who_asks_next(put, known_store, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(errors.StoreUnavailable):
        patch.setattr(os, "link", full)
        put()
    upload = Upload.objects.select_related("grant").get()
    assert (upload.state, upload.offset) == ("committing", len(ZIP))
    recover.settle_stale_uploads_of(upload.grant_id)
    assert Upload.objects.get().state == "committed" and known_store.staged_names() == []


def test_staged_bytes_that_were_lost_end_the_upload(known_store):
    claims = claims_object()
    upload = begun(claims, announced(None))
    receive.receive(upload, request_body(b"safe"), claims, receive.Append())
    known_store.discard(upload.id)
    with pytest.raises(errors.UploadGone):
        receive.receive(takeover.seize(now_of(upload)), request_body(b"more"), claims, receive.Append())
    assert (Upload.objects.get().state, Upload.objects.get().problem) == ("aborted", "upload_gone")


@pytest.mark.parametrize("problem", [errors.BodyCutOff, errors.TooSlow, errors.DeadlinePassed])
def test_an_interrupted_request_under_a_checksum_adds_nothing(nas, monkeypatch, problem):
    claims = claims_object()
    upload = begun(claims, announced(None))
    receive.receive(upload, request_body(b"safe"), claims, receive.Append())
    body = request_body(b"more")
    pieces = iter([4])

    def fill(buffer):
        for count in pieces:
            buffer[:count] = b"more"
            return count
        raise problem

    monkeypatch.setattr(body, "fill", fill)
    append = receive.Append(checksums=(making.named("sha256", hashlib.sha256(b"more and more").digest()),))
    with pytest.raises(problem):
        receive.receive(takeover.seize(now_of(upload)), body, claims, append)
    waits(nas, problem.code, b"safe")
