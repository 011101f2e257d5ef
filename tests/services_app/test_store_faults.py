"""A NAS that fails: full, over quota, stale, short of breath. What is durable is said once and never guessed."""

import errno
import os

import pytest

from services_app.store import durable
from services_app.store.errors import ObjectUnknown, StoreFull, StoreUnavailable, StoreUncertain
from tests.services_app.making import stored_files

FULL, BROKEN = (errno.ENOSPC, errno.EDQUOT), (errno.EIO, errno.ESTALE, errno.EROFS, errno.EACCES)
CAUSES = [(code, StoreFull) for code in FULL] + [(code, StoreUnavailable) for code in BROKEN]
each_cause = pytest.mark.parametrize(("code", "told"), CAUSES, ids=lambda v: errno.errorcode.get(v, ""))


class Fault:
    """Replaces a function of `os`: real until `from_call`, then failing; counts its calls."""

    def __init__(self, monkeypatch, name: str, code: int, *, only=lambda *a: True):
        self.calls, self._real, self._code, self._only = 0, getattr(os, name), code, only
        monkeypatch.setattr(os, name, self)

    def __call__(self, *args, **kwargs):
        if not self._only(*args):
            return self._real(*args, **kwargs)
        self.calls += 1
        raise OSError(self._code, os.strerror(self._code))


@pytest.fixture
def save(store, upload_id, directory):
    return lambda: store.save(upload_id, directory, "scan.zip", [b"the whole file"])


@each_cause
def test_an_error_at_write_is_told_and_leaves_nothing(save, nas, monkeypatch, code, told):
    fault = Fault(monkeypatch, "write", code)
    with pytest.raises(told):
        save()
    assert fault.calls == 1 and stored_files(nas) == []


@each_cause
def test_an_error_at_fsync_gives_the_file_up_and_is_never_tried_twice(save, nas, monkeypatch, code, told):
    fault = Fault(monkeypatch, "fsync", code)
    with pytest.raises(told):
        save()
    assert fault.calls == 1 and stored_files(nas) == []


@each_cause
def test_an_error_at_close_is_told_like_one_at_fsync(save, nas, monkeypatch, code, told):
    real, closed = os.close, []

    def close(fd):
        staged = os.readlink(f"/proc/self/fd/{fd}").startswith(f"{nas}/staging/")
        real(fd)
        if staged:
            closed.append(fd)
            raise OSError(code, "late")

    monkeypatch.setattr(os, "close", close)
    with pytest.raises(told):
        save()
    assert len(closed) == 1 and stored_files(nas) == []


@each_cause
def test_an_error_at_link_leaves_no_object(save, nas, monkeypatch, code, told):
    Fault(monkeypatch, "link", code)
    with pytest.raises(told):
        save()
    assert not [found for found in stored_files(nas) if found.endswith("scan.zip") or found.startswith("staging")]


@each_cause
def test_an_error_at_mkdir_leaves_no_object(save, nas, monkeypatch, code, told):
    Fault(monkeypatch, "mkdir", code)
    with pytest.raises(told):
        save()
    assert stored_files(nas) == []


@each_cause
def test_an_error_at_create_is_told(store, nas, upload_id, monkeypatch, code, told):
    Fault(monkeypatch, "open", code, only=lambda path, *_: str(path).startswith("staging/"))
    with pytest.raises(told):
        store.stage(upload_id)
    assert stored_files(nas) == []


def test_a_close_that_fails_as_well_does_not_hide_why_the_file_was_given_up(store, nas, upload_id, monkeypatch):
    real = os.close

    def close(fd):
        path = os.readlink(f"/proc/self/fd/{fd}")
        real(fd)
        if path.startswith(f"{nas}/staging/"):
            raise OSError(errno.EIO, "late")

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreFull), store.stage(upload_id) as staged:
        monkeypatch.setattr(os, "close", close)
        Fault(monkeypatch, "write", errno.ENOSPC)
        staged.write(memoryview(b"x"))
    monkeypatch.undo()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO])
def test_a_folder_that_cannot_be_looked_at_once_it_is_made_is_a_store_that_is_away(store, upload_id, directory, monkeypatch, code):
    real = os.fstat

    def fstat(fd):
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/".join(directory)):
            raise OSError(code, os.strerror(code))
        return real(fd)

    with store.stage(upload_id) as staged:
        made = store.make_place(staged, directory)
        staged.write(memoryview(b"content"))
        staged.finish()
        monkeypatch.setattr(os, "fstat", fstat)
        with pytest.raises(StoreUnavailable):
            store.make_place(staged, directory)
    # Whether it is the same one is only about a sync that can be spared.
    assert store.publish(upload_id, directory, "name", 7, made) == "/".join((*directory, "name"))


def test_fsync_without_space_is_told_as_full_even_when_close_says_something_else(store, upload_id, monkeypatch):
    real = os.close

    def close(fd):
        path = os.readlink(f"/proc/self/fd/{fd}")
        real(fd)
        if "/staging/" in path:
            raise OSError(errno.EIO, "late")

    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"x"))
        monkeypatch.setattr(os, "close", close)
        Fault(monkeypatch, "fsync", errno.EDQUOT)
        with pytest.raises(StoreFull):
            staged.finish()


@each_cause
def test_an_error_at_the_folders_fsync_is_neither_success_nor_failure(
    store, nas, upload_id, directory, monkeypatch, code, told
):
    final = nas.joinpath("collections", *directory)
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"the whole file"))
        staged.finish()
        fault = Fault(monkeypatch, "fsync", code, only=lambda fd: os.readlink(f"/proc/self/fd/{fd}") == str(final))
        with pytest.raises(StoreUncertain):
            store.publish(upload_id, directory, "scan.zip", 14)
    assert fault.calls == 1
    assert (final / "scan.zip").read_bytes() == b"the whole file"


def test_a_name_that_cannot_be_taken_back_is_uncertain(store, nas, upload_id, directory, monkeypatch):
    with store.stage(upload_id) as staged:
        staged.finish()
    monkeypatch.setattr("services_app.store.sentinel.still_mounted", lambda *_: False)
    Fault(monkeypatch, "unlink", errno.ESTALE, only=lambda name, *_: name == "scan.zip")
    with pytest.raises(StoreUncertain):
        store.publish(upload_id, directory, "scan.zip", 0)


def test_a_store_that_fails_while_looking_for_an_object_is_not_an_unknown_object(
    store, upload_id, directory, monkeypatch
):
    Fault(monkeypatch, "stat", errno.ESTALE, only=lambda name, *_: str(name).endswith("scan.zip"))
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    with pytest.raises(StoreUnavailable):
        store.size("/".join((*directory, "scan.zip")))
    monkeypatch.undo()


def test_short_writes_go_on_where_they_stopped(save, store, monkeypatch):
    real, lengths = os.write, []

    def short(fd, data):
        lengths.append(len(data))
        return real(fd, data[: max(1, len(data) // 2)])

    monkeypatch.setattr(os, "write", short)
    assert store.path(save()).read_bytes() == b"the whole file"
    assert lengths[:3] == [14, 7, 4]


def test_every_folder_is_durable_before_something_is_put_into_it(save, nas, monkeypatch, directory):
    events, mkdir, link, sync = [], os.mkdir, os.link, durable.sync_directory

    def note(kind, real):
        def call(*args, **kwargs):
            fd = kwargs.get("dir_fd", kwargs.get("dst_dir_fd", args[0]))
            events.append((kind, os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), nas / "collections")))
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "mkdir", note("mkdir", mkdir))
    monkeypatch.setattr(os, "link", note("link", link))
    monkeypatch.setattr(durable, "sync_directory", note("sync", sync))
    save()
    parents = ["/".join(directory[:depth]) for depth in (1, 2, 3)]
    folder = "/".join(directory)
    made = [event for parent in parents for event in (("mkdir", parent), ("sync", parent))]
    assert events == [*made, ("link", folder), ("sync", folder)]


def test_bytes_are_durable_before_they_get_their_final_name(save, monkeypatch):
    events, link, fsync = [], os.link, os.fsync
    monkeypatch.setattr(os, "link", lambda *a, **k: (events.append("link"), link(*a, **k)))
    monkeypatch.setattr(
        os, "fsync", lambda fd: (events.append(os.readlink(f"/proc/self/fd/{fd}").split("/")[-2]), fsync(fd))
    )
    save()
    assert events.index("staging") < events.index("link")


def test_write_back_begins_while_bytes_come_in(store, upload_id, monkeypatch):
    asked = []
    monkeypatch.setattr(durable, "WRITE_BACK_EVERY", 8)
    monkeypatch.setattr(durable, "_sync_file_range", lambda fd, offset, length, flags: asked.append((offset, length)))
    with store.stage(upload_id) as staged:
        for _ in range(5):
            staged.write(memoryview(b"abcde"))
    assert asked == [(0, 10), (10, 10)]


def test_a_hint_for_write_back_that_fails_changes_nothing(store, upload_id, monkeypatch):
    monkeypatch.setattr(durable, "WRITE_BACK_EVERY", 1)
    monkeypatch.setattr(durable, "_sync_file_range", lambda *_: -1)
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"abcde"))
        staged.finish()
        assert staged.size == 5


def test_an_object_that_vanished_is_unknown_and_not_a_fault(store, nas, directory):
    nas.joinpath("collections", *directory[:-1]).mkdir(parents=True)  # without its month nobody could tell: test_hidden_folders.py
    with pytest.raises(ObjectUnknown):
        store.size("/".join((*directory, "scan.zip")))
