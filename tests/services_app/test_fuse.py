"""Whole ways of a file through stores that lack what some network file systems lack: real ones, by FUSE (ADR 0047)."""

import contextlib
import io
import json
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from services_app.store import checkup
from services_app.store.current import current_store
from services_app.store.errors import StoreUnavailable
from services_app.uploads import actions, errors, removal, unpack
from services_app.uploads.models import Upload
from tests.fuse_store import COMPOSES, COPIES, DECOMPOSES, FOLDS, NEW_INODES, NO_LINKS, NO_NOREPLACE, fuse_store
from tests.services_app import making
from tests.services_app.making import announced, claims_object, now_of, received, request_body
from tests.services_app.test_folder import made

pytestmark = pytest.mark.django_db


@pytest.fixture
def mounts(settings):
    """A function: such a store at NAS_ROOT from now on; what was stored stays when it is called again."""
    with contextlib.ExitStack() as now:

        def mount(*lacks: str) -> Path:
            now.close()
            return now.enter_context(fuse_store(settings.NAS_ROOT, *lacks))

        yield mount


def said(command: str, *options) -> str:
    out = io.StringIO()
    call_command(command, *options, stdout=out, stderr=out)
    return out.getvalue()


def init(*options) -> str:
    return said("init_store", f"--collection={making.COLLECTION}", *options)


def upload_of(content: bytes, name: str, **claims) -> Upload:
    return received(request_body(content), claims_object(**claims), announced(len(content), name=name))


@pytest.mark.parametrize(
    ("lacks", "way"),
    [
        ((), "link"),
        ((NO_LINKS,), "rename"),
        ((COPIES,), "rename"),
        ((NEW_INODES,), "rename"),
        ((NO_LINKS, NO_NOREPLACE), "folder"),
        ((COPIES, NO_NOREPLACE), "folder"),
        ((NEW_INODES, NO_NOREPLACE), "folder"),
        ((NO_LINKS, FOLDS, COMPOSES), "rename"),
        ((NO_LINKS, NO_NOREPLACE, FOLDS, DECOMPOSES), "folder"),
    ],
    ids=str,
)
def test_a_file_is_stored_verified_deleted_and_brought_back_whatever_the_store_lacks(mounts, settings, lacks, way):
    settings.DELETION_FROM_WEB, settings.TRASH_DAYS = True, 30
    root = mounts(*lacks)
    assert f"gets its name by: {way}." in init()
    its = json.loads((root / ".sluice-store").read_text())
    assert (its["way"], its["folds_case"], its["normalises"]) == (way, FOLDS in lacks, bool({COMPOSES, DECOMPOSES} & {*lacks}))
    upload = upload_of(making.a_zip(), "Übung.zip")
    assert upload.state == "committed" and current_store().health().failing == {}
    path = current_store().path(actions.object_name(upload))
    assert path.name == "Übung.zip" and path.read_bytes() == making.a_zip()
    assert current_store().staged_names() == []
    if NEW_INODES not in lacks:  # there the folder of staging has another one each time
        assert "manifests written 0" in said("recover")
    said("verify_store")
    said("reconcile_store")
    removal.remove(now_of(upload))
    assert not path.exists()
    removal.bring_back(now_of(upload))
    assert path.read_bytes() == making.a_zip() and now_of(upload).safe_name == "Übung.zip"
    said("reconcile_store")


ALIKE = {"case": ("s/A/one", "s/a/two"), "form": ("s/\u00e9/one", "s/e\u0301/two")}


@pytest.mark.parametrize("how", ALIKE)
@pytest.mark.parametrize("lacks", [(), (FOLDS,), (COMPOSES,), (DECOMPOSES,)], ids=str)
def test_folders_that_a_store_takes_for_one_are_not_unpacked_into_one(mounts, how, lacks):
    mounts(*lacks)
    init()
    upload = upload_of(made(*((path, path.encode()) for path in ALIKE[how])), "series.tar", unpack_folders=True)
    is_refused = (FOLDS in lacks) if how == "case" else bool({COMPOSES, DECOMPOSES} & {*lacks})
    (due,) = unpack.due()
    assert unpack.unpack(due) == ("name_refused" if is_refused else "")
    archive = current_store().path(actions.object_name(upload))
    beside = archive.with_name(f"{archive.name}.unpacked")
    assert beside.exists() != is_refused and archive.stat().st_size == upload.size
    if not is_refused:
        assert sorted(path.read_text() for path in beside.glob("files/*/*/*")) == sorted(ALIKE[how])
        said("verify_store")


@pytest.mark.parametrize("lacks", [COMPOSES, DECOMPOSES])
def test_a_folder_is_unpacked_and_verified_where_letters_are_composed_or_decomposed(mounts, lacks):
    mounts(lacks)
    init()
    upload_of(made(("s/\u00e9/one", b"1"), ("s/u\u0308/two", b"2")), "Übung.tar", unpack_folders=True)
    assert [unpack.unpack(each) for each in unpack.due()] == [""]
    said("verify_store")
    said("reconcile_store")


@pytest.mark.parametrize(("lacks", "told"), [(NO_LINKS, "EPERM at link"), (COPIES, "ENOTSUP at link")])
def test_a_store_that_is_mounted_without_links_is_red_until_another_way_is_chosen_and_nothing_is_lost(mounts, lacks, told):
    mounts()
    assert "by: link" in init()
    before = upload_of(making.a_zip(), "before.zip")
    mounts(lacks)
    with pytest.raises(StoreUnavailable, match=told):
        current_store().health()
    with pytest.raises(errors.StoreUnavailable):
        upload_of(making.a_zip(), "meanwhile.zip")
    meanwhile = Upload.objects.exclude(id=before.id).get()
    assert meanwhile.state == "committing" and current_store().staged_size(meanwhile.id) == len(making.a_zip())
    with pytest.raises(CommandError, match="choose-anew"):
        init()
    assert "by: rename" in init("--choose-anew")
    Upload.objects.filter(id=meanwhile.id).update(**making.over())
    assert "committed 1" in said("recover")
    for upload in (before, meanwhile):
        path = current_store().path(actions.object_name(now_of(upload)))
        assert path.read_bytes() == making.a_zip()
    said("verify_store")


def test_a_store_that_hangs_hard_is_told_as_that_and_is_there_again_when_it_answers(mounts, monkeypatch):
    mounts(NO_LINKS)
    init()
    assert current_store().health().failing == {}
    monkeypatch.setattr(checkup, "PATIENCE", 0.3)
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    (server,) = (each for each in psutil.Process().children() if "tests.fuse_store" in each.cmdline())
    server.suspend()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="stalled"):
                current_store().health()
    finally:
        server.resume()
    monkeypatch.setattr(checkup, "PATIENCE", 10)
    assert current_store().health().failing == {}
    assert upload_of(making.a_zip(), "after.zip").state == "committed"
