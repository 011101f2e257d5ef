"""`init_store`: run once while the NAS is mounted; never overwrites, never adopts the wrong place."""

import errno
import json
import os
import re
import shutil
import time
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from services_app.store.current import current_store
from services_app.store.models import StoreIdentity
from tests.mounts import bound, mounted, remount

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings):
    settings.NAS_ROOT.mkdir()
    return settings.NAS_ROOT


def init(*collections):
    out = StringIO()
    call_command("init_store", *(f"--collection={slug}" for slug in collections), stdout=out)
    return out.getvalue()


def test_a_fresh_folder_becomes_a_store_that_current_store_finds(root):
    assert "made; collections added: 1" in init("mri-2026")
    assert current_store().has_collection("mri-2026") and current_store().free_bytes() > 0
    assert sorted(path.name for path in root.iterdir()) == [".sluice-store", "collections", "staging"]
    assert list((root / "staging").iterdir()) == []


def test_before_init_store_there_is_no_store(root):
    from services_app.store.errors import StoreUnavailable

    with pytest.raises(StoreUnavailable):
        current_store().free_bytes()
    init()
    assert current_store().free_bytes() > 0


def test_a_second_run_adopts_what_is_there_and_may_add_collections(root):
    init("first")
    sentinel = (root / ".sluice-store").read_bytes()
    assert "adopted; collections added: 2" in init("first", "second")
    assert (root / ".sluice-store").read_bytes() == sentinel
    assert current_store().has_collection("first") and current_store().has_collection("second")


def test_a_store_survives_the_loss_of_its_database(root):
    init("first")
    store_id = StoreIdentity.objects.get().store_id
    StoreIdentity.objects.all().delete()
    assert "adopted" in init()
    assert StoreIdentity.objects.get().store_id == store_id


def test_an_unmounted_nas_is_not_made_into_a_second_store(root):
    init()
    root.rename(root.with_name("unmounted"))
    root.mkdir()
    with pytest.raises(CommandError, match="Is the NAS mounted"):
        init("new")
    assert list(root.iterdir()) == []


def test_another_store_is_not_adopted_by_a_database_that_has_one(root):
    init()
    (root / ".sluice-store").unlink()
    (root / ".sluice-store").write_text(json.dumps({"store": str(uuid.uuid4())}))
    with pytest.raises(CommandError, match="another store"):
        init()


def test_a_root_that_is_absent_is_told_with_its_cure(settings):
    with pytest.raises(CommandError, match="Mount the NAS"):
        init()
    assert not settings.NAS_ROOT.exists()


@pytest.mark.parametrize(
    "slug", ["../outside", "a/b", "", "Upper", "with space", ".", "..", "-x", "ä", "a" * 64, "a_b"]
)
def test_a_collection_that_no_token_could_name_is_refused(root, slug):
    with pytest.raises(CommandError, match="slug"):
        init(slug)
    assert not (root.parent / "outside").exists()
    assert not (root / "collections").exists() or list((root / "collections").iterdir()) == []


def test_a_file_in_place_of_a_collection_is_told(root):
    init()
    (root / "collections" / "taken").write_text("x")
    with pytest.raises(CommandError):
        init("taken")


def unable(*args, **kwargs):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")


@pytest.mark.parametrize("call", ["link", "fsync"])
def test_a_file_system_that_cannot_keep_the_protocol_is_told_now(root, monkeypatch, call):
    init()
    monkeypatch.setattr(os, call, unable)
    with pytest.raises(CommandError, match="choose-anew|cannot sync"):
        init()
    assert list((root / "staging").iterdir()) == []


def without_exclusive(real):
    return lambda path, flags, *args, **kwargs: real(path, flags & ~os.O_EXCL, *args, **kwargs)


def of_ascii_only(real):
    def call(path, *args, **kwargs):
        if not str(path).isascii():
            raise OSError(errno.EILSEQ, "")
        return real(path, *args, **kwargs)

    return call


def of_short_names(real):
    def call(path, *args, **kwargs):
        if max(map(len, str(path).split("/"))) > 64 and ".probe-" in str(path):
            raise OSError(errno.ENAMETOOLONG, "")
        return real(path, *args, **kwargs)

    return call


def keeping_files(real):
    def unlink(path, *args, **kwargs):
        if str(path).startswith("staging/"):
            raise OSError(errno.EPERM, "")
        return real(path, *args, **kwargs)

    return unlink


@pytest.mark.parametrize(
    ("call", "instead", "told"),
    [
        ("fsync", lambda real: unable, "ENOTSUP at fsync.*fsync works"),
        ("rename", lambda real: unable, "at rename"),
        ("open", without_exclusive, "at create twice.*O_EXCL"),
        ("open", of_ascii_only, "EILSEQ at letters.*UTF-8"),
        ("open", of_short_names, "ENAMETOOLONG at name"),
    ],
)
def test_what_is_not_fit_is_neither_marked_nor_noted_and_is_left_as_it_was_until_it_is_cured(root, monkeypatch, call, instead, told):
    with monkeypatch.context() as patch, pytest.raises(CommandError, match=told):
        patch.setattr(os, call, instead(getattr(os, call)))
        init("first")
    assert list(root.iterdir()) == [] and not StoreIdentity.objects.exists()
    assert "made; collections added: 1" in init("first")
    assert current_store().has_collection("first")


def nth(call, number, code):
    """The `number`th call of this kind fails, counted from 1."""
    real, calls = getattr(os, call), iter(range(1, 1000))

    def failing(*args, **kwargs):
        if next(calls) == number:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    return failing


CURES = {
    errno.EDQUOT: "raise the quota",
    errno.ENOSPC: "Make room",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "fs.file-max",
    errno.EIO: "kernel's log",
    errno.ESTALE: "Mount it anew",
    errno.EROFS: "read-write",
    errno.EACCES: "user of services_app",
}


@pytest.mark.parametrize("call", ["open", "mkdir", "link", "fsync", "unlink"])
def test_whichever_call_fails_its_step_is_named_and_the_cure_is_that_of_its_errno(root, monkeypatch, call):
    """Each call of one kind in turn, on a folder that is no store yet and on one that gets a collection more."""
    real, seen = getattr(os, call), []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, lambda *args, **kwargs: seen.append(1) or real(*args, **kwargs))
        init("counted")
    shutil.rmtree(root)
    root.mkdir()
    StoreIdentity.objects.all().delete()
    codes, told = list(CURES), 0
    for number in range(1, len(seen) + 1):
        code = codes[number % len(codes)]
        with monkeypatch.context() as patch:
            patch.setattr(os, call, nth(call, number, code))
            try:
                init(f"c{number}")
            except CommandError as exc:
                told += 1
                said = str(exc)
                assert errno.errorcode[code] in said and CURES[code] in said, (number, said)
                assert " at " in said and "None" not in said and ".." not in said, (number, said)
    assert told
    assert "collections added: 1" in init("in-the-end")


@pytest.mark.parametrize("folder", ["", "collections", "collections/.probe-"])
@pytest.mark.parametrize(("code", "cure"), [(errno.EINVAL, "can be synced"), (errno.EIO, "kernel's log")])
def test_a_folder_that_cannot_be_synced_is_told_as_that_whichever_it_is(root, monkeypatch, folder, code, cure):
    real = os.fsync

    def fsync(fd):
        path = os.readlink(f"/proc/self/fd/{fd}")
        is_it = path.startswith(str(root / folder)) if folder.endswith("-") else path == str(root / folder)
        if is_it and os.path.isdir(path):
            raise OSError(code, os.strerror(code))
        return real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CommandError, match=f"{errno.errorcode[code]} at .*fsync.*{cure}"):
        init("first")


def test_a_store_that_keeps_what_was_written_is_told(root, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(CommandError, match="EPERM at remove.*delete"):
        patch.setattr(os, "unlink", keeping_files(os.unlink))
        init()
    assert not (root / ".sluice-store").exists() and not StoreIdentity.objects.exists()


def test_a_database_that_cannot_note_the_store_leaves_no_mark(root, monkeypatch):
    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="database cannot be written"):
        patch.setattr(StoreIdentity.objects, "get_or_create", full)
        init()
    assert list(root.iterdir()) == []
    assert "made" in init()


@pytest.mark.parametrize("call", ["write", "link"])
def test_a_sentinel_that_could_not_be_written_whole_is_not_there_at_all(root, monkeypatch, call):
    real = os.link

    def no_sentinel(source, name, *args, **kwargs):
        if name == ".sluice-store":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(source, name, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="No space"):
        if call == "link":
            patch.setattr(os, "link", no_sentinel)
        else:
            patch.setattr("services_app.store.sentinel.json.dump", lambda *args: no_sentinel("", ".sluice-store"))
        init()
    assert list(root.iterdir()) == [] and not StoreIdentity.objects.exists()
    assert "made" in init()


def test_a_store_on_a_read_only_mount_is_told_with_its_cure(root):
    with mounted(root, "size=1m"):
        remount(root, "ro")
        with pytest.raises(CommandError, match="EROFS at mkdir.*read-write"):
            init()
        assert list(root.iterdir()) == []
        remount(root, "rw")
        assert "made" in init()


def test_a_collection_on_another_mount_is_told_with_its_cure(root):
    init("apart")
    (root / "elsewhere").mkdir()
    with bound(root / "collections" / "apart", root / "elsewhere"):
        with pytest.raises(CommandError, match="apart is there, but takes nothing: EXDEV at link.*one mount"):
            init("apart")
        init("other")
        for asked in ([], ["other"]):
            err = StringIO()
            call_command("init_store", *(f"--collection={slug}" for slug in asked), stdout=StringIO(), stderr=err)
            assert re.search("apart is there, but takes nothing: EXDEV at link.*one mount", err.getvalue()), asked


def test_each_collection_gets_its_turn_and_each_that_failed_is_named_with_its_cure(root):
    init()
    (root / "collections" / "taken").write_text("x")
    (root / "collections" / "linked").symlink_to(root)
    with pytest.raises(CommandError, match="(?s)linked.*no folder.*Move it away.*taken.*no folder.*Move it away"):
        init("taken", "good", "linked", "too")
    assert current_store().has_collection("good") and current_store().has_collection("too")


def test_what_a_killed_probe_left_goes_after_an_hour_and_not_before(root):
    init("first")
    left = [root / "staging" / ".probe-old", root / "collections" / ".probe-old", root / "collections" / "first" / ".probe-old"]
    left[0].write_bytes(b"x")
    for folder in left[1:]:
        folder.mkdir()
        (folder / "probe").write_bytes(b"x")
    young = root / "staging" / ".probe-young"
    young.write_bytes(b"x")
    for path in left:
        os.utime(path, (0, time.time() - 3700))
    current_store().health()
    assert [path for path in (*left, young) if path.exists()] == [young]


def test_what_a_living_probe_takes_away_meanwhile_is_no_fault_of_the_store(root, monkeypatch):
    init("first")
    (root / "staging" / ".probe-living").write_bytes(b"x")
    real = os.listdir

    def listdir(fd):
        names = real(fd)
        for name in names:
            if name == ".probe-living":
                os.unlink(name, dir_fd=fd)
        return names

    monkeypatch.setattr(os, "listdir", listdir)
    assert current_store().health().failing == {} and not (root / "staging" / ".probe-living").exists()
