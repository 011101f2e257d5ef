"""What an errno means, for every method of the store: ENOENT alone is "not there" (docs/adr/0016-what-an-errno-means.md)."""

import errno
import os

import pytest

from services_app.store import errors
from services_app.store.errors import (
    OF_ONE,
    NameRefused,
    ObjectUnknown,
    StagedBytesLost,
    StoreFull,
    StoreUnavailable,
    Unstorable,
)
from tests.services_app.making import COLLECTION, some_uuid

PASSING = (
    errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP, errno.ENODEV, errno.ENXIO,
    errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EREMOTEIO, errno.EBUSY, errno.EMFILE, errno.ENOMEM, errno.EINTR,
)  # fmt: skip
FULL = (errno.ENOSPC, errno.EDQUOT)
OF_THE_STORE = (errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)  # init_store saw it working
OF_THE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


@pytest.fixture
def failing(monkeypatch):
    """A function: this call of `os` fails with this errno where its first argument ends so; counted in the list it returns."""

    def fail(name, code, ending=""):
        real, calls = getattr(os, name), []

        def call(path, *args, **kwargs):
            if not str(path).endswith(ending):
                return real(path, *args, **kwargs)
            calls.append(path)
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, name, call)
        return calls

    return fail


@pytest.mark.parametrize(
    ("codes", "naming", "told"),
    [
        (PASSING, False, StoreUnavailable),
        (PASSING, True, StoreUnavailable),
        (FULL, False, StoreFull),
        (FULL, True, StoreFull),
        (OF_THE_STORE, False, StoreUnavailable),
        (OF_THE_STORE, True, StoreUnavailable),
        (OF_THE_NAME, False, StoreUnavailable),
        (OF_THE_NAME, True, NameRefused),
        ((errno.EFBIG,), False, StoreUnavailable),
        ((errno.ENOENT,), False, StoreUnavailable),
    ],
)
def test_each_errno_has_one_meaning(codes, naming, told):
    for code in codes:
        error = errors.from_os_error(OSError(code, "secret/path"), naming=naming)
        assert type(error) is told and str(error) == errno.errorcode[code]
    assert type(errors.from_os_error(OSError(errno.EFBIG, ""), writing=True)) is Unstorable


# method → (the call that looks for it, the end of what it is given, the method, what ENOENT says)
LOOKS = {
    "staged_size": ("stat", "{id}", lambda s, i, n: s.staged_size(i), None),
    "resume": ("open", "{id}", lambda s, i, n: s.stage(i, 5), StagedBytesLost),
    "reseat": ("open", "staging/{id}", lambda s, i, n: s.reseat(i, 5), StagedBytesLost),
    "concatenate": ("open", "staging/{id}", lambda s, i, n: s.concatenate([(i, 5)], some_uuid()), StagedBytesLost),
    "size": ("stat", "scan.zip", lambda s, i, n: s.size(n), ObjectUnknown),
    "exists": ("stat", "scan.zip", lambda s, i, n: s.exists(n), False),
    "metadata": ("open", "manifest.json", lambda s, i, n: s.metadata(n), ObjectUnknown),
    "delete": ("stat", "scan.zip", lambda s, i, n: s.delete(n), ObjectUnknown),
    "has_collection": ("stat", COLLECTION, lambda s, i, n: s.has_collection(COLLECTION), False),
    "list": ("listdir", "", lambda s, i, n: list(s.list(COLLECTION)), []),
    "publish": ("stat", "staging/{id}", lambda s, i, n: s.publish(i, tuple(n.split("/")[:4]), "scan.zip", 14), StoreUnavailable),
    "withdraw": ("stat", "scan.zip", lambda s, i, n: s.withdraw(some_uuid(), tuple(n.split("/")[:4]), "scan.zip"), True),
}  # fmt: skip


# What publish makes of ENOENT depends on which names are there: tests/services_app/test_publish.py. An object whose own folder is not
# opened is listed, for it may well be one: tests/services_app/test_closed_folders.py.
CASES = [
    (method, code)
    for method in LOOKS
    for code in (errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTDIR, errno.ELOOP, errno.ENOENT)
    if (method, code) != ("publish", errno.ENOENT) and not (method == "list" and code in OF_ONE)
]
CASES += [
    (method, code)
    for method in ("staged_size", "size", "exists", "metadata", "has_collection", "list")
    for code in (errno.EDQUOT, errno.ENOSPC, errno.ENAMETOOLONG, errno.EXDEV)
]


@pytest.mark.parametrize(("method", "code"), CASES, ids=lambda value: errno.errorcode.get(value, value))
def test_only_enoent_means_that_something_is_not_there(store, nas, upload_id, directory, failing, method, code):
    name = store.save(upload_id, directory, "scan.zip", [b"the whole file"])
    store.write_manifest(name, {"size": 14})
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"12345"))
        staged.finish()
    before = sorted(path for path in nas.rglob("*"))
    call, ending, use, absent = LOOKS[method]
    calls = failing(call, code, ending.format(id=upload_id))
    told = absent if code == errno.ENOENT else StoreUnavailable
    if isinstance(told, type):
        with pytest.raises(told):
            use(store, upload_id, name)
    else:
        assert use(store, upload_id, name) == told
    assert calls
    if told is StoreUnavailable:
        assert sorted(path for path in nas.rglob("*")) == before


@pytest.mark.parametrize(
    "put",
    [lambda path: path.symlink_to("/etc/hostname"), lambda path: path.symlink_to("nowhere"), os.mkfifo, lambda path: path.mkdir()],
    ids=["link", "link to nothing", "pipe", "folder"],
)
def test_what_is_no_file_in_the_place_of_a_staged_one_does_not_say_that_its_bytes_are_gone(store, nas, upload_id, put):
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"some thousand bytes" * 100))
        staged.checkpoint()
    path, aside = nas / "staging" / str(upload_id), nas / "aside"
    path.rename(aside)
    put(path)
    for ask in (lambda: store.staged_size(upload_id), lambda: store.has_staged(upload_id, 1900), lambda: store.stage(upload_id, 1900)):
        with pytest.raises(StoreUnavailable):
            ask()
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    aside.rename(path)
    assert store.staged_size(upload_id) == 1900


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EBUSY])
def test_a_staged_file_that_does_not_go_is_not_counted_as_removed(store, upload_id, failing, code):
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"x"))
    failing("unlink", code)
    with pytest.raises(StoreUnavailable):
        store.discard_name(str(upload_id))
    with pytest.raises(StoreUnavailable):
        store.reseat(upload_id, 0)  # whoever has it open could still write into what comes next
    store.discard(upload_id)
    assert store.staged_size(upload_id) == 1


def test_a_link_into_a_folder_that_vanished_costs_no_staged_bytes(store, nas, upload_id, directory, monkeypatch):
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"the whole file"))
        staged.finish()
    real = os.link

    def link(source, name, *args, **kwargs):
        os.rmdir(nas.joinpath("collections", *directory))
        return real(source, name, *args, **kwargs)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    monkeypatch.undo()
    assert store.staged_size(upload_id) == 14
    assert store.path(store.publish(upload_id, directory, "scan.zip", 14)).read_bytes() == b"the whole file"


def test_a_link_whose_answer_was_lost_is_found_done(store, upload_id, directory, monkeypatch):
    """As over NFS: the server has linked, and the second try is refused."""
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"the whole file"))
        staged.finish()
    real = os.link

    def link(source, name, *args, **kwargs):
        real(source, name, *args, **kwargs)
        return real(source, name, *args, **kwargs)

    monkeypatch.setattr(os, "link", link)
    assert store.path(store.publish(upload_id, directory, "scan.zip", 14)).read_bytes() == b"the whole file"


def test_a_staging_folder_that_vanished_is_no_loss_of_bytes_that_nobody_was_promised(store, upload_id, failing):
    failing("open", errno.ENOENT, str(upload_id))
    with pytest.raises(StoreUnavailable):
        store.stage(upload_id)


def test_a_copy_that_reads_nothing_before_the_end_is_a_passing_fault(store, nas, upload_id, monkeypatch):
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"12345"))
        staged.finish()
    monkeypatch.setattr(os, "copy_file_range", lambda *args, **kwargs: 0)
    with pytest.raises(StoreUnavailable):
        store.reseat(upload_id, 5)
    monkeypatch.undo()
    with pytest.raises(StagedBytesLost):
        store.reseat(upload_id, 6)
    assert [path.name for path in (nas / "staging").iterdir()] == [str(upload_id)] and store.staged_size(upload_id) == 5


def test_a_root_that_cannot_be_looked_at_is_neither_mounted_nor_not(store, upload_id, directory, monkeypatch):
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"the whole file"))
        staged.finish()
    real = os.stat

    def stat(path, *args, **kwargs):
        if path == store.root:
            raise OSError(errno.ESTALE, "")
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(errors.StoreUncertain):
        patch.setattr(os, "stat", stat)
        store.publish(upload_id, directory, "scan.zip", 14)
    assert store.path("/".join((*directory, "scan.zip"))).exists(), "nobody took the name back"


def test_an_object_whose_deletion_broke_off_loses_its_manifest_with_the_next_one(store, upload_id, directory):
    name = store.save(upload_id, directory, "scan.zip", [b"x"])
    store.write_manifest(name, {})
    store.path(name).unlink()
    with pytest.raises(ObjectUnknown):
        store.delete(name)
    assert not store.path(name).parent.exists()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EIO])
def test_a_process_that_cannot_be_looked_at_is_not_gone(monkeypatch, code):
    from services_app.uploads.ownership import leases

    name = leases.owner()
    assert not leases.is_gone(name)

    def failing(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(leases.Path, "read_text", failing)
    assert not leases.is_gone(name) and leases.may_wake_up(name)
