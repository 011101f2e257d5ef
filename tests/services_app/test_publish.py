"""Staging and publishing: whole files only, never an overwrite, repeatable after a crash at any point."""

import errno
import hashlib
import os
import shutil

import pytest

from services_app.store import durable
from services_app.store.errors import (
    CollectionUnknown,
    FolderAway,
    ObjectExists,
    ObjectUnknown,
    StagedBytesLost,
    StoreUnavailable,
    StoreUncertain,
)
from tests.services_app.making import COLLECTION, stored_files


@pytest.fixture
def staged(store, nas, upload_id):
    """A finished file in staging; its path."""
    with store.stage(upload_id) as file:
        file.write(memoryview(b"the whole file"))
        file.finish()
    return nas / "staging" / str(upload_id)


@pytest.fixture
def final(nas, directory):
    return nas.joinpath("collections", *directory, "scan.zip")


def test_published_bytes_keep_their_staged_name_until_they_are_accounted_for(store, staged, final, upload_id, directory):
    name = store.publish(upload_id, directory, "scan.zip", 14)
    assert name == "/".join((*directory, "scan.zip"))
    assert final.read_bytes() == b"the whole file" and staged.samefile(final)
    assert store.size(name) == 14 and store.exists(name) and store.path(name) == final


def test_a_name_that_is_taken_is_not_overwritten(store, staged, final, upload_id, directory):
    final.parent.mkdir(parents=True)
    final.write_bytes(b"older")
    with pytest.raises(ObjectExists):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"older" and staged.exists()


@pytest.mark.parametrize("kind", ["symlink", "dangling", "folder"])
def test_a_name_taken_by_something_else_is_not_followed(store, staged, final, upload_id, directory, tmp_path, kind):
    final.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    if kind == "folder":
        final.mkdir()
    else:
        final.symlink_to(victim)
    if kind == "symlink":
        victim.write_bytes(b"precious")
    with pytest.raises(ObjectExists):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert not victim.exists() or victim.read_bytes() == b"precious"


def test_publishing_can_be_repeated_after_a_crash_behind_the_link(store, staged, final, upload_id, directory):
    final.parent.mkdir(parents=True)
    os.link(staged, final)
    store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"the whole file" and staged.samefile(final)


def test_publishing_can_be_repeated_after_it_was_done(store, staged, final, upload_id, directory):
    first = store.publish(upload_id, directory, "scan.zip", 14)
    assert store.publish(upload_id, directory, "scan.zip", 14) == first
    assert final.read_bytes() == b"the whole file"


def test_what_is_not_staged_is_unknown_once_its_month_is_there_and_makes_none(store, upload_id, directory, nas):
    with pytest.raises(FolderAway):
        store.publish(upload_id, directory, "scan.zip", 14)
    month = nas.joinpath("collections", *directory[:3])
    assert not month.exists()
    month.mkdir(parents=True)
    with pytest.raises(ObjectUnknown):
        store.publish(upload_id, directory, "scan.zip", 14)


def test_a_collection_that_init_store_did_not_make_is_unknown(store, staged, upload_id, nas):
    with pytest.raises(CollectionUnknown):
        store.publish(upload_id, ("other", "2026", "03", str(upload_id)), "scan.zip", 14)
    assert not (nas / "collections" / "other").exists() and staged.exists()


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_link_in_place_of_any_folder_is_not_followed(store, staged, nas, upload_id, directory, tmp_path, depth):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parent = nas.joinpath("collections", *directory[:depth])
    parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(parent / directory[depth], ignore_errors=True)
    (parent / directory[depth]).symlink_to(elsewhere)
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert list(elsewhere.rglob("*")) == [] and staged.exists()


def test_a_linked_collection_is_no_collection(store, nas, tmp_path):
    (nas / "collections" / "linked").symlink_to(tmp_path)
    assert store.has_collection(COLLECTION) and not store.has_collection("linked")
    assert not store.has_collection("other")


def test_a_link_under_the_staged_name_is_not_written_through(store, nas, upload_id, tmp_path):
    (nas / "staging" / str(upload_id)).symlink_to(tmp_path / "victim")
    with pytest.raises(StoreUnavailable):
        store.stage(upload_id)
    (tmp_path / "victim").write_bytes(b"precious")
    for resume_at in (0, 8):
        with pytest.raises(StoreUnavailable):
            store.stage(upload_id, resume_at)
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_store_swapped_while_publishing_keeps_no_object(store, staged, nas, upload_id, directory, monkeypatch):
    away, link = nas.with_name("unmounted"), os.link

    def link_and_swap(*args, **kwargs):
        link(*args, **kwargs)
        shutil.move(nas, away)
        nas.mkdir()

    monkeypatch.setattr(os, "link", link_and_swap)
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert list(nas.iterdir()) == []
    assert not away.joinpath("collections", *directory, "scan.zip").exists()
    assert (away / "staging" / str(upload_id)).exists()


def test_a_swap_noticed_while_repeating_does_not_destroy_the_only_copy(
    store, staged, final, upload_id, directory, monkeypatch
):
    store.publish(upload_id, directory, "scan.zip", 14)
    monkeypatch.setattr("services_app.store.sentinel.still_mounted", lambda *_: False)
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"the whole file"


@pytest.mark.parametrize("instead", ["shorter", "symlink", "folder", "fifo"])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_not_the_whole_file_is_never_published(store, staged, final, upload_id, directory, tmp_path, instead, linked):
    if linked and instead == "shorter":
        final.parent.mkdir(parents=True)
        os.link(staged, final)
    if instead == "shorter":
        os.truncate(staged, 10)
    else:
        staged.unlink()
        victim = tmp_path / "victim"
        victim.write_bytes(b"the whole file")
        {"symlink": lambda: staged.symlink_to(victim), "folder": staged.mkdir, "fifo": lambda: os.mkfifo(staged)}[instead]()
    with pytest.raises(StagedBytesLost):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert not os.path.lexists(final)


@pytest.mark.parametrize("linked", [False, True])
def test_what_lies_beyond_the_promise_is_cut_off_before_it_is_published(store, staged, final, upload_id, directory, linked):
    if linked:
        final.parent.mkdir(parents=True)
        os.link(staged, final)
    with staged.open("ab") as file:
        file.write(b" and more")
    store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"the whole file"


def test_whose_a_file_is_that_is_no_longer_staged_only_its_content_tells(store, staged, final, upload_id, directory):
    sha256 = hashlib.sha256(b"the whole file").hexdigest()
    store.publish(upload_id, directory, "scan.zip", 14)
    staged.unlink()
    with pytest.raises(ObjectExists):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert store.found(directory, "scan.zip", 14, sha256) == "/".join((*directory, "scan.zip"))
    for foreign in (b"THE WHOLE FILE", b"short"):
        final.write_bytes(foreign)
        assert store.found(directory, "scan.zip", 14, sha256) is None
    final.unlink()
    final.mkdir()
    assert store.found(directory, "scan.zip", 14, sha256) is None


def test_what_is_found_by_its_content_is_durable_before_it_is_signed_for(store, staged, final, upload_id, directory, monkeypatch):
    store.publish(upload_id, directory, "scan.zip", 14)
    staged.unlink()
    real, synced = os.fsync, []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")) or real(fd))
    assert store.found(directory, "scan.zip", 14, hashlib.sha256(b"the whole file").hexdigest())
    assert synced == [str(final), str(final.parent)]


def test_a_file_that_has_its_name_keeps_it_also_where_no_link_is_possible_any_more(
    store, staged, final, upload_id, directory, monkeypatch
):
    name = store.publish(upload_id, directory, "scan.zip", 14)

    def link(*args, **kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    assert store.publish(upload_id, directory, "scan.zip", 14) == name and staged.samefile(final)


def test_a_link_that_comes_through_while_it_is_withdrawn_is_found(store, staged, final, upload_id, directory, monkeypatch):
    unlink = os.unlink
    final.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "unlink", lambda *args, **kwargs: (final.hardlink_to(staged), unlink(*args, **kwargs)))
    assert not store.withdraw(upload_id, directory, "scan.zip")
    assert staged.samefile(final)


def test_a_failed_sync_of_the_folder_is_uncertain_and_can_be_repeated(
    store, staged, final, upload_id, directory, monkeypatch
):
    sync = durable.sync_directory

    def failing(fd):
        if os.readlink(f"/proc/self/fd/{fd}") == str(final.parent):
            raise OSError(5, "EIO")
        sync(fd)

    monkeypatch.setattr(durable, "sync_directory", failing)
    with pytest.raises(StoreUncertain):
        store.publish(upload_id, directory, "scan.zip", 14)
    monkeypatch.setattr(durable, "sync_directory", sync)
    store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"the whole file"


def test_save_stages_and_publishes_in_one_go(store, nas, upload_id, directory):
    name = store.save(upload_id, directory, "scan.zip", [b"ab", b"", b"cd"])
    assert store.path(name).read_bytes() == b"abcd" and store.staged_size(upload_id) is None


def test_save_that_fails_leaves_nothing(store, nas, upload_id, directory):
    def chunks():
        yield b"ab"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.save(upload_id, directory, "scan.zip", chunks())
    assert stored_files(nas) == []


def test_whoever_goes_on_cuts_off_what_was_not_promised(store, staged, upload_id):
    with store.stage(upload_id, 4) as file:
        assert file.size == 4
        file.write(memoryview(b"rest"))
        file.finish()
    assert staged.read_bytes() == b"the rest"


def test_whoever_begins_again_begins_with_nothing(store, staged, upload_id):
    with store.stage(upload_id) as file:
        file.write(memoryview(b"new"))
    assert staged.read_bytes() == b"new"


@pytest.mark.parametrize("is_there", [True, False])
def test_less_than_was_promised_is_never_gone_on_with(store, staged, upload_id, is_there):
    if not is_there:
        staged.unlink()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StagedBytesLost):
        store.stage(upload_id, 15)
    assert not is_there or staged.read_bytes() == b"the whole file"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_what_is_staged_has_a_size_until_it_is_discarded(store, staged, upload_id):
    assert store.staged_size(upload_id) == 14
    store.discard(upload_id)
    assert store.staged_size(upload_id) is None
    store.discard(upload_id)


def test_an_unfinished_file_stays_until_it_is_discarded(store, nas, upload_id):
    with store.stage(upload_id) as file:
        file.write(memoryview(b"half"))
    assert stored_files(nas) == [f"staging/{upload_id}"]
    store.discard(upload_id)
    assert stored_files(nas) == []


def test_nobody_may_write_a_stored_file_or_its_manifest(store, staged, upload_id, directory, final):
    name = store.publish(upload_id, directory, "scan.zip", 14)
    assert final.stat().st_mode & 0o777 == 0o440
    for version in (1, 2):
        store.write_manifest(name, {"version": version})
        assert final.with_name("scan.zip.manifest.json").stat().st_mode & 0o777 == 0o440
    final.chmod(0o640)  # as an earlier release left it, or a crash behind the link
    store.publish(upload_id, directory, "scan.zip", 14)
    assert final.stat().st_mode & 0o777 == 0o440
    store.delete(name)
    assert not final.exists()


def test_a_store_that_keeps_no_modes_stores_all_the_same(store, staged, upload_id, directory, final, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "as CIFS does")

    monkeypatch.setattr(os, "fchmod", refuse)
    store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"the whole file"
