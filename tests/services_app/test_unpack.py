"""A stored folder's files lie beside its archive, all at once or not at all, where its collection says so (ADR 0044)."""

import errno
import hashlib
import io
import json
import os
import stat
import tarfile
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from services_app.ledger.models import Entry
from services_app.store import folders, tree
from services_app.store.errors import StoreError
from services_app.uploads import actions, errors, policies, unpack
from services_app.uploads.models import Unpacking, Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import (
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    announced,
    begun,
    by_hand,
    claims_object,
    now_of,
    over,
    received,
    request_body,
    uuid7,
)
from tests.services_app.test_folder import CASES, kind, made

pytestmark = pytest.mark.django_db

FILES = {"s/a.dcm": b"a" * 700, "s/é/c.dcm": b"", "s/é/d": b"d" * (3 << 20), "s/" + "n" * 255: b"long"}
ARCHIVE = made(*FILES.items(), kind("s/empty", tarfile.DIRTYPE))


def stored(archive=ARCHIVE, **claims):
    claims = claims_object(**{"unpack_folders": True, **claims})
    return received(request_body(archive), claims, announced(len(archive), name="series.tar"))


def unpacked() -> list:
    """What became of each that was due."""
    return [unpack.unpack(each) for each in unpack.due()]


def place_of(nas, upload):
    return nas / "collections" / (actions.object_name(upload) + ".unpacked")


def files_in(place) -> dict[str, bytes]:
    return {str(path.relative_to(place / "files")): path.read_bytes() for path in (place / "files").rglob("*") if path.is_file()}


def visible(nas, upload) -> set[str]:
    """What lies in its folder."""
    return {path.name for path in (nas / "collections" / actions.object_name(upload)).parent.iterdir()}


def everything(nas) -> list:
    """In the store, but for checkpoints of the ledger."""
    return sorted(path for path in nas.rglob("*") if "checkpoints" not in path.parts)


def said(command: str, *options) -> tuple[int, str]:
    out, status = io.StringIO(), 0
    try:
        call_command(command, *options, stdout=out, stderr=out)
    except CommandError as exc:
        status = exc.returncode
    return status, out.getvalue()


def test_its_files_lie_beside_the_archive_with_a_list_that_names_each(known_store, nas):
    upload = stored()
    assert visible(nas, upload) == {"series.tar", "series.tar.manifest.json"} and unpack.state_of(upload) == "unpacking"
    assert unpacked() == [""]
    place, upload = place_of(nas, upload), now_of(upload)
    assert files_in(place) == FILES and (place / "files" / "s" / "empty").is_dir()
    assert json.loads((place / "contents.json").read_text()) == {
        "upload_id": str(upload.id),
        "sha256": hashlib.sha256(ARCHIVE).hexdigest(),
        "files": [
            {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for path, content in FILES.items()
        ],
    }
    entry = Entry.objects.get(event="unpacked")
    assert (entry.upload_id, entry.facts) == (
        upload.id,
        {"files": len(FILES), "contents_sha256": hashlib.sha256((place / "contents.json").read_bytes()).hexdigest()},
    )
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*") if path.is_file()} == {0o440}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (place / "files").rglob("*") if path.is_dir()} == {0o550}
    assert place.with_name("series.tar").read_bytes() == ARCHIVE, "the object is what was received"
    assert json.loads(place.with_name("series.tar.manifest.json").read_text())["unpacks"] is True
    assert unpack.state_of(upload) == "unpacked" and unpacked() == [] and list((nas / "staging").iterdir()) == []


def test_without_the_setting_and_without_the_mark_an_archive_stays_as_it_is(known_store, nas):
    plainly = received(request_body(ARCHIVE), claims_object(), announced(len(ARCHIVE)))
    for upload in (plainly, stored(made(("s/a", b"1"), headers={})), stored(b"text\n")):
        assert upload.state == "committed" and unpack.state_of(upload) is None
        manifest = (nas / "collections" / f"{actions.object_name(upload)}.manifest.json").read_text()
        assert "unpacks" not in manifest and len(visible(nas, upload)) == 2
    assert not Unpacking.objects.exists() and unpacked() == []


@pytest.mark.parametrize("archive", [archive for _, archive in CASES.values()], ids=CASES)
def test_what_could_be_unpacked_elsewhere_makes_nothing(known_store, nas, archive, monkeypatch):
    """Also one that lies there already, and was let in by an older rule."""
    from services_app.uploads.content import folder

    monkeypatch.setattr(folder, "check", lambda *_: True)
    upload = stored(archive)
    monkeypatch.undo()
    before = sorted(nas.rglob("*"))
    assert unpacked() == ["changed"] and sorted(nas.rglob("*")) == before
    assert Unpacking.objects.get().fault == "changed" and unpack.state_of(now_of(upload)) == "not_unpacked"


def test_where_somebody_is_faster_in_staging_nothing_is_written_over_and_no_link_is_followed(known_store, nas, upload_id):
    with known_store.mounted() as root_fd, tree.StagedTree(known_store, root_fd, upload_id) as staged:
        staged.add_file(["s", "a"], [memoryview(b"1")])
        (place,) = (nas / "staging").iterdir()
        (place / "files" / "l").symlink_to(nas)
        (place / "files" / "s" / "k").symlink_to(nas / "k")
        for parts in (["s", "a"], ["l", "x"], ["s", "k"]):
            with pytest.raises(StoreError):
                staged.add_file(parts, [memoryview(b"2")])
        assert (place / "files" / "s" / "a").read_bytes() == b"1"
    assert list((nas / "staging").iterdir()) == [] and not (nas / "x").exists() and not (nas / "k").exists()


STEPS = {
    "as the tree is begun": "os.mkdir",
    "in the middle of a file": "durable.write_all",
    "as files are synced": "durable.sync_and_close",
    "as folders are synced": "durable.sync_directory",
    "as it gets its name": "os.rename",
    "behind that": "durable.sync_directory last",
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_killed_at_any_step_nothing_is_seen_or_all_of_it_and_it_is_finished_later(known_store, nas, step, monkeypatch):
    upload = stored()
    os_or_durable, _, name = step.removesuffix(" last").partition(".")
    module, is_last = getattr(tree, os_or_durable), step.endswith(" last")
    child = os.fork()
    if child == 0:
        call = getattr(module, name)

        def killed(*arguments, **options):
            if not is_last or place_of(nas, upload).exists():
                os.kill(os.getpid(), 9)
            return call(*arguments, **options)

        setattr(module, name, killed)
        unpack.make(known_store, upload, lambda **_: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert place_of(nas, upload).exists() == is_last
    if is_last:
        assert files_in(place_of(nas, upload)) == FILES
    assert unpacked() == [""]
    assert files_in(place_of(nas, upload)) == FILES and unpack.state_of(now_of(upload)) == "unpacked"
    assert list((nas / "staging").iterdir()) == [] and Entry.objects.filter(event="unpacked").count() == 1
    assert said("verify_store")[0] == 0


def test_what_a_kill_left_is_finished_and_removed_by_recover(known_store, nas):
    upload = stored()
    for left in (f"{upload.id}.1.tree", f"{upload.id}.2.removing.tree", f"{uuid7()}.1.tree", "another.tree"):
        (nas / "staging" / left / "files" / "s").mkdir(parents=True)
        (nas / "staging" / left / "files" / "s").chmod(0o550)
    Unpacking.objects.update(owner="host/boot/namespace:1:2", **over())
    status, told = said("recover")
    assert status == 0 and "folders unpacked: 1" in told and files_in(place_of(nas, upload)) == FILES
    assert list((nas / "staging").iterdir()) == []


@pytest.mark.parametrize("days", [30, 0])
def test_deleting_takes_its_files_along_and_they_come_back_with_it(known_store, nas, settings, control, monkeypatch, days):
    settings.TRASH_DAYS = days
    upload = stored()
    assert unpacked() == [""]
    folder = place_of(nas, upload).parent
    answer = control("DELETE", f"/internal/v1/objects/{upload.id}", peer=Connection(WEB_APP), token=INTERNAL_KEY)
    assert answer.status_code == 204 and not folder.exists() and unpack.state_of(now_of(upload)) is None
    if days == 0:
        return
    (folder / "none").parent.parent.mkdir(exist_ok=True)
    for manifest in (nas / "trash").rglob("*.manifest.json"):
        manifest.unlink()  # by which it would be known at once
    assert said("trash", "--restore", str(upload.id))[0] == 0
    assert now_of(upload).safe_name == "series.tar" and files_in(place_of(nas, upload)) == FILES
    assert unpack.state_of(now_of(upload)) == "unpacked"
    control("DELETE", f"/internal/v1/objects/{upload.id}", peer=Connection(WEB_APP), token=INTERNAL_KEY)
    now = leases.now
    monkeypatch.setattr(leases, "now", lambda: now() + timedelta(days=31))
    assert said("recover")[0] == 0 and list((nas / "trash").iterdir()) == []


def writable(path):
    for each in (path, path.parent):
        each.chmod(0o750)
    return path


TAMPERINGS = {
    "a byte": (lambda files: writable(files / "s" / "a.dcm").write_bytes(b"a" * 699 + b"b"), {"file_changed": "(1)"}),
    "a length": (lambda files: writable(files / "s" / "é" / "d").write_bytes(b""), {"file_changed": "(3)"}),
    "gone": (lambda files: writable(files / "s" / "a.dcm").unlink(), {"file_missing": "(1)"}),
    "another name": (lambda files: writable(files / "s" / "a.dcm").rename(files / "s" / "b"),
                     {"file_missing": "(1)", "file_foreign": ""}),
    "a link": (lambda files: (path := writable(files / "s" / "a.dcm"), path.unlink(), path.symlink_to("/etc/hostname")),
               {"file_missing": "(1)", "file_foreign": ""}),
    "a folder that is a link": (lambda files: (writable(files / "s" / "é").rename(files.parents[6] / "e"),
                                               (files / "s" / "é").symlink_to(files.parents[6] / "e")),
                                {"file_missing": "(2, 3)", "file_foreign": ""}),
    "one more": (lambda files: (writable(files / "s") / "x").write_bytes(b""), {"file_foreign": ""}),
    "a second name": (lambda files: os.link(writable(files / "s" / "a.dcm"), files / "s" / "x"), {"file_foreign": ""}),
    "a folder too deep": (lambda files: (writable(files / "s") / ("x/" * 40)).mkdir(parents=True), {"file_foreign": ""}),
    "beside them": (lambda files: (files.parent / "x").write_bytes(b""), {"file_foreign": ""}),
    "all of them": (lambda files: writable(files).rename(files.parents[6] / "f"), {"file_missing": "(all)"}),
    "the list": (lambda files: writable(files.parent / "contents.json").write_text("{}"), {"contents_changed": ""}),
    "no list": (lambda files: (files.parent / "contents.json").unlink(), {"contents_changed": ""}),
    "the tree": (lambda files: files.parent.rename(files.parents[6] / "t"), {"tree_missing": ""}),
    "no tree": (lambda files: (files.parent.rename(files.parents[6] / "t"), files.parent.write_bytes(b"")), {"tree_missing": ""}),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "named"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_whatever_is_changed_in_it_is_named_by_its_place_and_made_again_when_it_was_taken_away(known_store, nas, tamper, named):
    upload = stored()
    assert unpacked() == [""] and said("verify_store")[0] == 0 and said("reconcile_store")[0] == 0
    place = place_of(nas, upload)
    tamper(place / "files")
    status, told = said("verify_store", "--rate", "0")
    lines = {line for line in told.splitlines() if not line.startswith("looked at")}
    assert status == 2 and lines == {f"{code}: upload {upload.id} {where}".strip() for code, where in named.items()}
    if place.is_dir():
        place.rename(nas / "set-aside")  # as a person does
    elif place.exists():
        place.unlink()
    assert "tree_missing 1" in said("reconcile_store")[1]
    assert unpacked() == [""] and files_in(place) == FILES and said("verify_store")[0] == 0


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("step", ["opened", "read"])
def test_what_cannot_be_read_for_a_moment_is_not_called_another_file(known_store, nas, monkeypatch, error, step):
    upload = stored()
    assert unpacked() == [""]
    opened, read, begin = os.open, os.pread, os.stat(place_of(nas, upload) / "files" / "s" / "a.dcm").st_ino

    def failing_open(path, *args, **options):
        if step == "opened" and path == b"a.dcm":
            raise OSError(error, "")
        return opened(path, *args, **options)

    def failing_read(fd, *args):
        if step == "read" and os.fstat(fd).st_ino == begin:
            raise OSError(error, "")
        return read(fd, *args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing_open)
        patch.setattr(os, "pread", failing_read)
        status, told = said("verify_store", "--rate", "0")
    assert status == 2 and f"file_unreadable: upload {upload.id} (1)" in told and "changed" not in told and "missing" not in told
    assert said("verify_store", "--rate", "0")[0] == 0


def test_a_list_that_cannot_be_opened_for_a_moment_is_neither_changed_nor_in_the_way(known_store, nas, monkeypatch):
    upload = stored()
    assert unpacked() == [""]
    opened = os.open

    def failing(path, *args, **options):
        if path == "contents.json":
            raise OSError(errno.EIO, "")
        return opened(path, *args, **options)

    unpack.again(upload)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        assert "contents_changed" not in said("verify_store", "--rate", "0")[1]
        assert unpacked() == ["store_unavailable"]
    assert unpacked() == [""] and said("verify_store", "--rate", "0")[0] == 0


def test_who_changes_the_list_and_a_file_alike_is_found_by_the_ledger(known_store, nas):
    upload = stored()
    assert unpacked() == [""]
    place, other = place_of(nas, upload), b"b" * 700
    writable(place / "files" / "s" / "a.dcm").write_bytes(other)
    names = [hashlib.sha256(each).hexdigest() for each in (FILES["s/a.dcm"], other)]
    listed = (place / "contents.json").read_text().replace(*names)
    writable(place / "contents.json").write_text(listed)
    status, told = said("verify_store", "--rate", "0")
    assert status == 2 and "contents_changed" in told


def test_after_the_database_was_lost_files_that_are_there_are_compared_and_not_believed(known_store, nas):
    uploads = [stored(ARCHIVE, jti=uuid7()) for _ in range(3)]
    assert unpacked() == [""] * 3
    place_of(nas, uploads[0]).rename(nas / "away")
    flipped = place_of(nas, uploads[1]) / "contents.json"
    writable(flipped).write_text(flipped.read_text().replace("dcm", "DCM"))
    Upload.objects.all().delete()
    with by_hand():
        Entry.objects.all().delete()
    assert said("rebuild")[0] == 0
    assert [unpack.state_of(now_of(upload)) for upload in uploads] == ["unpacking"] * 3
    assert unpacked() == ["", "in_the_way", ""]
    assert files_in(place_of(nas, uploads[0])) == FILES
    status, told = said("reconcile_store")
    assert status == 2 and f"not_unpacked: upload {uploads[1].id} (in_the_way)" in told
    place_of(nas, uploads[1]).rename(nas / "aside")
    assert said("recover")[0] == 0 and unpack.state_of(now_of(uploads[1])) == "unpacked"


def test_what_the_store_does_not_take_waits_names_its_cause_and_goes_on(known_store, nas, settings, monkeypatch):
    upload, refused = stored(), {"ENAMETOOLONG": "name_refused", "EEXIST": "name_refused", "ENOSPC": "no_space", "EIO": "store_unavailable"}
    before = everything(nas)
    for code, fault in refused.items():

        def failing(*_, code=code, **__):
            raise OSError(getattr(errno, code), "")

        with monkeypatch.context() as patch:
            patch.setattr(tree.Descent, "into", failing)
            status, told = said("recover")
        assert status == 1 and f"upload {upload.id}: its files cannot be unpacked: {fault}" in told
        assert everything(nas) == before and Unpacking.objects.get().fault == fault
        assert unpack.state_of(now_of(upload)) == ("unpacking" if fault in Unpacking.PASSING else "not_unpacked")
        assert (policies._room_for_trees() == upload.size) is (fault in Unpacking.PASSING), "what has no prospect keeps no room"
    settings.UPLOAD_SPACE_RESERVE = 1 << 62
    assert unpacked() == ["no_space"] and everything(nas) == before
    settings.UPLOAD_SPACE_RESERVE = 0
    (nas / "collections" / actions.object_name(upload)).chmod(0o640)
    with open(nas / "collections" / actions.object_name(upload), "r+b") as archive:
        archive.seek(ARCHIVE.index(FILES["s/a.dcm"]))
        archive.write(b"b")
    assert unpacked() == ["changed"] and visible(nas, upload) == {"series.tar", "series.tar.manifest.json"}
    os.truncate(nas / "collections" / actions.object_name(upload), len(ARCHIVE) - 1)
    assert unpacked() == ["changed"]


def test_room_for_the_second_copy_is_kept_from_uploads_that_come_later(known_store, monkeypatch):
    stored()
    monkeypatch.setattr(type(known_store), "free_bytes", lambda _: 2 * len(ARCHIVE) - 1)
    with pytest.raises(errors.NoSpace):
        policies.may_upload(claims_object(jti=uuid7()), len(ARCHIVE))
    before = begun(claims_object(jti=uuid7()), announced(len(ARCHIVE)))
    assert unpacked() == ["no_space"], "what is under way was promised it"
    actions.abort(before, "upload_cancelled")
    assert unpacked() == [""]
    policies.may_upload(claims_object(jti=uuid7()), len(ARCHIVE))


def test_two_at_it_make_one_tree_and_who_lost_its_lease_makes_none(known_store, nas, monkeypatch):
    upload = stored()
    (first,) = unpack.due()
    assert unpack._claim(first) and unpack.due() == [] and unpack.sweep() == 0
    Unpacking.objects.update(**over())
    (second,) = unpack.due()

    remove = folders.remove
    with known_store.mounted() as root_fd, tree.StagedTree(known_store, root_fd, upload.id) as theirs:

        def overtaken(*what):
            """They go on while theirs is removed."""
            with pytest.raises(StoreError):
                theirs.publish(actions.directory_of(upload), upload.safe_name)
            remove(*what)

        with monkeypatch.context() as patch:
            patch.setattr(folders, "remove", overtaken)
            assert unpack.unpack(second) == ""
    assert files_in(place_of(nas, upload)) == FILES
    other = stored(jti=uuid7())
    with monkeypatch.context() as patch:
        patch.setattr(tree.StagedTree, "add_file", lambda *_: Unpacking.objects.filter(upload=other).update(owner="another"))
        assert unpacked() == [None]
    assert not place_of(nas, other).exists() and list((nas / "staging").iterdir()) == []
    assert Unpacking.objects.get(upload=other).owner == "another", "whose it is now"
