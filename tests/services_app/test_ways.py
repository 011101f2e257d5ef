"""Stores that make no links, or only say so: how a file gets its name there, and that nothing is lost by it (ADR 0047)."""

import errno
import hashlib
import json
import os
import shutil
import unicodedata
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.store import durable, exclusive, kept, naming, sentinel
from services_app.store.errors import ObjectExists, ObjectUnknown, StoreUnavailable
from services_app.store.exclusive import Traits, Way
from services_app.uploads import actions, errors, recover
from services_app.uploads.models import Upload
from tests.services_app import making
from tests.services_app.conftest import STORE_ID
from tests.services_app.making import announced, begun, claims_object, stored_files

CONTENT = b"the whole file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def go_by(nas, way: Way) -> None:
    root_fd = os.open(nas, os.O_RDONLY)
    sentinel.learn(root_fd, STORE_ID, Traits(way))
    os.close(root_fd)


def unable(*args, **kwargs):
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


@pytest.fixture(params=list(Way), ids=str)
def way(request, nas) -> Way:
    """Of this test's store; the calls of the other ways fail."""
    go_by(nas, request.param)
    monkeypatch = request.getfixturevalue("monkeypatch")
    if request.param is not Way.LINK:
        monkeypatch.setattr(os, "link", unable)
    if request.param is not Way.RENAME:
        monkeypatch.setattr(exclusive, "rename_noreplace", unable)
    return request.param


@pytest.fixture
def staged_as(way, store, upload_id) -> str:
    """Of a finished file in staging."""
    with store.stage(upload_id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
        return file.told_apart()


@pytest.fixture
def staged(staged_as, nas, upload_id):
    return nas / "staging" / str(upload_id)


@pytest.fixture
def final(nas, directory):
    return nas.joinpath("collections", *directory, "scan.zip")


def test_a_file_gets_its_name_and_leaves_its_staged_one_only_by_a_link(way, store, staged, final, upload_id, directory):
    assert store.publish(upload_id, directory, "scan.zip", 14) == "/".join((*directory, "scan.zip"))
    assert final.read_bytes() == CONTENT and staged.exists() == (way is Way.LINK)
    assert final.stat().st_mode & 0o222 == 0 and sorted(final.parent.iterdir()) == [final]


def test_both_folders_are_durable_before_it_is_called_stored(way, store, staged, final, nas, upload_id, directory, monkeypatch):
    synced, sync = [], durable.sync_directory
    monkeypatch.setattr(durable, "sync_directory", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")) or sync(fd))
    store.publish(upload_id, directory, "scan.zip", 14)
    behind = [str(final.parent)] if way is Way.LINK else [str(final.parent), str(nas / "staging")]
    assert synced[-len(behind) :] == behind and (way is not Way.FOLDER or str(final.parent.parent) in synced)


@pytest.mark.parametrize("comes", ["before", "behind the look"])
def test_a_name_that_is_taken_is_not_overwritten(way, store, staged, final, upload_id, directory, monkeypatch, comes):
    def taken(*args, **kwargs):
        final.parent.mkdir(parents=True, exist_ok=True)
        final.write_bytes(b"somebody's")

    if comes == "before":
        taken()
    else:
        real = exclusive.publish
        monkeypatch.setattr(exclusive, "publish", lambda *args, **kwargs: (taken(), real(*args, **kwargs)))
    with pytest.raises(ObjectExists):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert final.read_bytes() == b"somebody's" and staged.read_bytes() == CONTENT


def test_what_lies_in_an_objects_folder_under_another_name_is_not_swept_away(way, store, staged, final, upload_id, directory):
    final.parent.mkdir(parents=True)
    final.with_name("other").write_bytes(b"somebody's")
    if way is Way.FOLDER:
        with pytest.raises(ObjectExists):
            store.publish(upload_id, directory, "scan.zip", 14)
        assert staged.read_bytes() == CONTENT
    else:
        store.publish(upload_id, directory, "scan.zip", 14)
    assert final.with_name("other").read_bytes() == b"somebody's"


def test_what_was_published_is_told_without_reading_it_and_nothing_else_is(
    way, store, staged, staged_as, final, upload_id, directory, monkeypatch
):
    name = store.publish(upload_id, directory, "scan.zip", 14)
    if way is Way.LINK:
        assert staged_as == "" and store.publish(upload_id, directory, "scan.zip", 14) == name
        return
    with pytest.raises(ObjectExists):
        store.publish(upload_id, directory, "scan.zip", 14)
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", unable)
        assert store.is_it(directory, "scan.zip", 14, staged_as) == name
        assert store.is_it(directory, "scan.zip", 15, staged_as) is None
        assert store.is_it(directory, "scan.zip", 14, "") is None
        final.chmod(0o600)
        final.write_bytes(b"THE WHOLE FILE")  # the same file, changed
        assert store.is_it(directory, "scan.zip", 14, staged_as) is None
        final.unlink()
        final.write_bytes(b"THE WHOLE FILE")  # perhaps with the same inode
        assert store.is_it(directory, "scan.zip", 14, staged_as) is None
    final.write_bytes(CONTENT)
    assert store.found(directory, "scan.zip", 14, SHA256) == name


def test_a_swapped_store_keeps_no_object_and_the_bytes_go_back(way, store, staged, final, upload_id, directory, monkeypatch):
    monkeypatch.setattr(sentinel, "still_mounted", lambda *_: False)
    with pytest.raises(StoreUnavailable):
        store.publish(upload_id, directory, "scan.zip", 14)
    assert not final.exists() and staged.read_bytes() == CONTENT


def test_what_is_withdrawn_gets_no_name_and_what_has_one_is_not_withdrawn(way, store, staged, final, upload_id, directory):
    final.parent.mkdir(parents=True)
    assert store.withdraw(upload_id, directory, "scan.zip") and not staged.exists()
    with pytest.raises(ObjectUnknown):
        store.publish(upload_id, directory, "scan.zip", 14)
    with store.stage(upload_id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
    store.publish(upload_id, directory, "scan.zip", 14)
    assert not store.withdraw(upload_id, directory, "scan.zip") and final.read_bytes() == CONTENT


@pytest.mark.parametrize("way", [Way.RENAME, Way.FOLDER], indirect=True)
@pytest.mark.parametrize("inodes", ["kept", "new ones"])
def test_a_call_that_comes_through_while_it_is_withdrawn_is_found(
    way, store, staged, final, upload_id, directory, monkeypatch, inodes
):
    """Also where a file has another inode under another name, as on some network file systems. By a link: test_publish.py."""
    final.parent.mkdir(parents=True)
    real = os.unlink

    def unlink(path, *args, **kwargs):
        os.rename(staged, final)
        if inodes != "kept":
            shutil.copy(final, final.with_name("copy"))
            os.rename(final.with_name("copy"), final)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", unlink)
    assert not store.withdraw(upload_id, directory, "scan.zip")
    assert final.read_bytes() == CONTENT


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.EILSEQ])
def test_a_name_that_is_refused_is_no_reason_to_lose_a_file(way, store, staged, final, upload_id, directory, monkeypatch, refused):
    real = exclusive.publish

    def publish(way, source, name, **kwargs):
        if name == "scan.zip":
            raise OSError(refused, os.strerror(refused))
        real(way, source, name, **kwargs)

    monkeypatch.setattr(exclusive, "publish", publish)
    assert store.publish(upload_id, directory, "scan.zip", 14) == "/".join((*directory, "upload"))


def test_a_file_that_is_called_like_the_name_of_last_resort_keeps_its_own_where_case_is_folded(
    nas, store, upload_id, directory, monkeypatch
):
    with store.stage(upload_id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
    name = store.publish(upload_id, directory, "Upload", 14)
    assert name.endswith("/Upload")
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **kwargs: real("Upload" if path == "upload" else path, **kwargs))
    assert store.publish(upload_id, directory, "Upload", 14) == name


# -- what a crash leaves -----------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("at", ["as the commit begins", "behind the folder", "behind the name", "behind the staged name"])
def test_a_crash_at_any_step_leaves_all_of_it_or_nothing_and_it_is_committed(way, known_store, nas, monkeypatch, at, at_once):
    monkeypatch.setattr(recover, "_AT_ONCE", 8 << 20 if at_once else 1)  # beyond that no content is read while somebody waits
    upload = begun(claims_object(), announced(len(CONTENT)))
    with known_store.stage(upload.id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
        its = file.told_apart()
    actions.begin_commit(upload, size=len(CONTENT), sha256=SHA256, media_type="text/plain", staged_as=its)
    directory = actions.directory_of(upload)
    folder = nas.joinpath("collections", *directory)

    class Killed(BaseException):
        pass

    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if at == "as the commit begins":
            raise Killed
        if at == "behind the folder":
            patch.setattr(naming, "give", killed)
        elif at == "behind the name":
            patch.setattr(sentinel, "still_mounted", killed)
        known_store.publish(upload.id, directory, upload.safe_name, len(CONTENT))
        if way is Way.LINK:
            known_store.discard(upload.id)
        raise Killed
    assert [path.read_bytes() for path in folder.glob("*")] == ([CONTENT] if "name" in at else [])
    Upload.objects.filter(id=upload.id).update(**making.over())
    if at == "behind the staged name" and way is Way.LINK and not at_once:
        with pytest.raises(errors.StoreUnavailable):  # a person took the staged name away: only the content tells
            recover.settle(Upload.objects.select_related("grant").get())
        Upload.objects.filter(id=upload.id).update(**making.over())
        call_command("recover", stdout=StringIO())
    else:
        assert recover.settle(Upload.objects.select_related("grant").get()) == "committed"
    assert (folder / upload.safe_name).read_bytes() == CONTENT and known_store.staged_names() == []


@pytest.mark.django_db
def test_a_file_of_the_same_size_that_somebody_put_there_gets_no_receipt(way, known_store, nas):
    upload = begun(claims_object(), announced(len(CONTENT)))
    with known_store.stage(upload.id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
        its = file.told_apart()
    actions.begin_commit(upload, size=len(CONTENT), sha256=SHA256, media_type="text/plain", staged_as=its)
    final = known_store.path(known_store.publish(upload.id, actions.directory_of(upload), upload.safe_name, len(CONTENT)))
    known_store.discard(upload.id)
    final.unlink()
    final.write_bytes(CONTENT.upper())
    Upload.objects.filter(id=upload.id).update(**making.over())
    with pytest.raises(errors.StoreUnavailable):
        recover.settle(Upload.objects.select_related("grant").get())
    assert Upload.objects.get().state == "committing" and Upload.objects.get().receipt == ""


# -- small documents ---------------------------------------------------------------------------------------------------------------------


def test_a_small_document_is_put_once_and_never_changed(way, store, nas):
    assert kept.put(store, "7.jws", b"first") and not kept.put(store, "7.jws", b"second")
    assert [(name, text) for name, text in kept.documents(store)] == [("7.jws", "first")]
    assert [path.name for path in (nas / kept.FOLDER).iterdir()] == ["7.jws"]


def test_two_that_put_one_document_by_a_folder_do_not_meet_and_a_kill_holds_up_nobody_for_ever(nas, store):
    go_by(nas, Way.FOLDER)
    claim = nas / kept.FOLDER / ".7.jws.claim"
    claim.mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        kept.put(store, "7.jws", b"first")
    assert claim.exists()
    os.utime(claim, (0, 0))
    with pytest.raises(StoreUnavailable):
        kept.put(store, "7.jws", b"first")
    assert kept.put(store, "7.jws", b"first")


# -- which way -------------------------------------------------------------------------------------------------------------------------


def copying(real):
    """A link that is a copy."""

    def link(source, name, *, src_dir_fd=None, dst_dir_fd=None, **kwargs):
        real(source, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **kwargs)
        with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=dst_dir_fd), "rb") as file:
            content = file.read()
        os.unlink(name, dir_fd=dst_dir_fd)
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=dst_dir_fd), "wb") as file:
            file.write(content)

    return link


def same_numbers(real):
    """Every file has the inode of every other, as far as it is told."""
    return lambda *args: True


def overwriting(real):
    """A link that goes through where the name is taken."""

    def link(source, name, **kwargs):
        try:
            real(source, name, **kwargs)
        except FileExistsError:
            pass

    return link


def replacing(real):
    """RENAME_NOREPLACE that is not heeded."""
    return lambda source, name, src, dst: os.rename(source, name, src_dir_fd=src, dst_dir_fd=dst)


UNABLE = lambda real: unable  # noqa: E731
LACKS = {
    "nothing": ([], Way.LINK),
    "links": ([(os, "link", UNABLE)], Way.RENAME),
    "links that are no copies": ([(os, "link", copying)], Way.RENAME),
    "links that are no copies, and says otherwise": ([(os, "link", copying), (os.path, "samestat", same_numbers)], Way.RENAME),
    "links that are refused": ([(os, "link", overwriting)], Way.RENAME),
    "links and RENAME_NOREPLACE": ([(os, "link", UNABLE), (exclusive, "rename_noreplace", UNABLE)], Way.FOLDER),
    "links and a RENAME_NOREPLACE that is heeded": ([(os, "link", UNABLE), (exclusive, "rename_noreplace", replacing)], Way.FOLDER),
}


@pytest.fixture
def root(settings):
    settings.NAS_ROOT.mkdir()
    return settings.NAS_ROOT


def init(*options) -> str:
    out = StringIO()
    call_command("init_store", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("lacks", LACKS)
def test_init_store_tries_the_ways_on_the_store_and_notes_the_first_that_is_what_it_says(root, monkeypatch, lacks):
    faults, chosen = LACKS[lacks]
    for place, name, instead in faults:
        monkeypatch.setattr(place, name, instead(getattr(place, name)))
    assert f"gets its name by: {chosen}." in init("--collection=first")
    assert json.loads((root / ".sluice-store").read_text())["way"] == chosen
    assert sorted(path.name for path in root.iterdir()) == [".sluice-store", "collections", "staging"]
    assert list((root / "staging").iterdir()) == [] and list((root / "collections" / "first").iterdir()) == []
    before = (root / ".sluice-store").read_bytes()
    assert "adopted" in init() and (root / ".sluice-store").read_bytes() == before


@pytest.mark.django_db
def test_a_store_on_which_no_way_is_safe_is_refused(root, monkeypatch):
    monkeypatch.setattr(os, "link", unable)
    monkeypatch.setattr(exclusive, "rename_noreplace", unable)
    def careless(parent_fd, name):
        shutil.rmtree(name, dir_fd=parent_fd)
        os.mkdir(name, dir_fd=parent_fd)
        return True

    monkeypatch.setattr(exclusive, "anew", careless)
    with pytest.raises(CommandError, match="ENOTSUP at link"):
        init()
    assert not (root / ".sluice-store").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC, errno.EXDEV])
def test_what_may_pass_or_be_mended_chooses_no_other_way(root, monkeypatch, code):
    def failing(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch, pytest.raises(CommandError, match=f"{errno.errorcode[code]} at link"):
        patch.setattr(os, "link", failing)
        init()
    assert "by: link" in init()


@pytest.mark.django_db
@pytest.mark.parametrize(("folds", "composes"), [(False, False), (True, False), (False, True)])
def test_which_names_a_store_takes_for_one_is_noted(root, monkeypatch, folds, composes):
    def taken_for(path):
        path = path.lower() if folds else path
        return unicodedata.normalize("NFC", path) if composes else path

    def of_one(real):
        return lambda path, *args, **kwargs: real(taken_for(path) if isinstance(path, str) else path, *args, **kwargs)

    for call in ("open", "stat", "unlink"):
        monkeypatch.setattr(os, call, of_one(getattr(os, call)))
    said = init()
    its = json.loads((root / ".sluice-store").read_text())
    assert (its["folds_case"], its["normalises"]) == (folds, composes)
    assert ("differ only in" in said) == (folds or composes)


def test_a_store_of_before_goes_by_links_and_one_of_a_later_release_is_not_written_to(nas, store, upload_id):
    its = json.loads((nas / ".sluice-store").read_text())
    for name in ("way", "folds_case", "normalises"):
        del its[name]
    (nas / ".sluice-store").unlink()
    (nas / ".sluice-store").write_text(json.dumps(its))
    with store.mounted() as root_fd:
        assert sentinel.traits(root_fd) == Traits()
    (nas / ".sluice-store").write_text(json.dumps(its | {"way": "telepathy"}))
    with store.stage(upload_id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
    with pytest.raises(StoreUnavailable, match="way unknown"):
        store.publish(upload_id, (making.COLLECTION, "2026", "03", str(upload_id)), "scan.zip", 14)


def test_what_is_learned_of_staging_leaves_the_way_and_the_other_way_round(nas):
    go_by(nas, Way.RENAME)
    root_fd = os.open(nas, os.O_RDONLY)
    shutil.rmtree(nas / "staging")
    (nas / "kept").mkdir()  # has the inode that was free
    (nas / "staging").mkdir()
    sentinel.learn(root_fd, STORE_ID, Traits(Way.FOLDER))
    assert sentinel.knows_staging(root_fd) is False
    sentinel.learn_staging(root_fd, STORE_ID)
    assert sentinel.knows_staging(root_fd) and sentinel.traits(root_fd).way is Way.FOLDER
    os.close(root_fd)


# -- a store that makes no links any more ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [UNABLE, copying], ids=["none", "copies"])
def test_a_store_that_links_no_more_is_red_loses_nothing_and_goes_on_by_another_way(known_store, nas, monkeypatch, fault):
    monkeypatch.setattr(os, "link", fault(os.link))
    with pytest.raises(StoreUnavailable, match="ENOTSUP at link"):
        known_store.health()
    upload = begun(claims_object(), announced(len(CONTENT)))
    with known_store.stage(upload.id) as file:
        file.write(memoryview(CONTENT))
        file.finish()
        its = file.told_apart()
    actions.begin_commit(upload, size=len(CONTENT), sha256=SHA256, media_type="text/plain", staged_as=its)
    with pytest.raises(StoreUnavailable):
        known_store.publish(upload.id, actions.directory_of(upload), upload.safe_name, len(CONTENT))
    assert [name for name in stored_files(nas) if (nas / name).is_file()] == [f"staging/{upload.id}"]
    Upload.objects.filter(id=upload.id).update(**making.over())
    with pytest.raises(CommandError, match="ENOTSUP at link.*choose-anew"):
        init()
    assert "by: rename" in init("--choose-anew")
    assert known_store.health().failing == {}
    assert recover.settle(Upload.objects.select_related("grant").get()) == "committed"


@pytest.mark.django_db
def test_no_other_way_is_chosen_while_a_link_may_tell_whose_a_file_is(known_store, nas, monkeypatch):
    first, second = nas / "staging" / str(making.some_uuid()), nas / "kept"
    first.write_bytes(CONTENT)
    os.link(first, second)
    monkeypatch.setattr(os, "link", unable)
    with pytest.raises(CommandError, match="second name.*Run recover"):
        init("--choose-anew")
    second.unlink()
    assert "by: rename" in init("--choose-anew")


@pytest.mark.django_db
def test_a_store_that_links_again_may_go_back(known_store, nas):
    go_by(nas, Way.FOLDER)
    assert "by: link" in init("--choose-anew")
