"""What is stored: listed, measured, described by its manifest, removed."""

import json
import os

import pytest

from services_app.store import durable
from services_app.store.errors import CollectionUnknown, ObjectUnknown, StoreUnavailable
from tests.services_app.making import COLLECTION, some_uuid


@pytest.fixture
def saved(store):
    """A function: store an object in a month; return its id and name."""

    def save(year="2026", month="03", content=b"abc"):
        upload_id = some_uuid()
        return upload_id, store.save(upload_id, (COLLECTION, year, month, str(upload_id)), "scan.zip", [content])

    return save


def test_objects_are_listed_in_the_order_of_time_across_months_and_years(store, saved):
    ids = [saved("2025", "12")[0], saved("2026", "01")[0], saved("2026", "01")[0], saved("2026", "11")[0]]
    assert list(store.list(COLLECTION)) == ids


def test_listing_can_go_on_after_an_id(store, saved):
    ids = [saved()[0] for _ in range(3)]
    assert list(store.list(COLLECTION, after=str(ids[0]))) == ids[1:]
    assert list(store.list(COLLECTION, after=str(ids[2]))) == []


def test_an_empty_collection_has_no_objects_and_an_unknown_one_is_told(store):
    assert list(store.list(COLLECTION)) == []
    with pytest.raises(CollectionUnknown):
        list(store.list("other"))


def test_what_a_nas_or_a_person_leaves_among_the_objects_is_not_listed(store, nas, saved, tmp_path):
    upload_id, name = saved()
    month = store.path(name).parent.parent
    for folder in (month.parent.parent, month.parent, month):
        for foreign in (".snapshot", "@eaDir", "lost+found", "2026-copy"):
            (folder / foreign / "below").mkdir(parents=True)
        (folder / ".DS_Store").write_bytes(b"x")
        (folder / "9999").write_bytes(b"x")
    (month.parent / "12").symlink_to(tmp_path)
    assert list(store.list(COLLECTION)) == [upload_id]


def test_a_folder_that_a_failed_upload_left_empty_is_no_object(store, saved):
    upload_id, name = saved()
    (store.path(name).parent.parent / str(some_uuid())).mkdir()
    assert list(store.list(COLLECTION)) == [upload_id]


def test_a_manifest_is_read_back_as_it_was_written_and_replaced_as_a_whole(store, saved):
    _, name = saved()
    with pytest.raises(ObjectUnknown):
        store.metadata(name)
    store.write_manifest(name, {"size": 3})
    store.write_manifest(name, {"size": 3, "name": "Müller"})
    assert store.metadata(name) == {"size": 3, "name": "Müller"}
    manifest = store.path(name).with_name("scan.zip.manifest.json")
    assert json.loads(manifest.read_text()) == {"size": 3, "name": "Müller"}
    assert sorted(os.listdir(manifest.parent)) == ["scan.zip", "scan.zip.manifest.json"]


def test_a_manifest_that_could_not_be_made_durable_leaves_the_older_one(store, saved, monkeypatch):
    _, name = saved()
    store.write_manifest(name, {"size": 3})

    def failing(fd):
        os.close(fd)
        raise OSError(5, "EIO")

    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(durable, "sync_and_close", failing)
        store.write_manifest(name, {"size": 4})
    assert store.metadata(name) == {"size": 3}
    store.write_manifest(name, {"size": 5})
    assert store.metadata(name) == {"size": 5}


def test_a_manifest_beside_nothing_is_refused(store):
    with pytest.raises(StoreUnavailable):
        store.write_manifest(f"{COLLECTION}/2026/03/{some_uuid()}/scan.zip", {})


def test_a_manifest_that_is_no_json_counts_as_missing(store, saved):
    _, name = saved()
    store.path(name).with_name("scan.zip.manifest.json").write_bytes(b"\xff{")
    with pytest.raises(ObjectUnknown):
        store.metadata(name)


def test_a_deleted_object_is_gone_with_its_manifest_and_folder(store, saved):
    _, name = saved()
    store.write_manifest(name, {})
    store.delete(name)
    assert not store.exists(name) and not store.path(name).parent.exists()
    with pytest.raises(ObjectUnknown):
        store.delete(name)


@pytest.mark.parametrize("left", [".nfs0000000000000001", ".scan.zip.manifest.json"])
def test_what_else_lies_in_its_folder_does_not_keep_an_object_from_being_deleted(store, saved, left):
    _, name = saved()
    store.path(name).with_name(left).write_bytes(b"x")
    store.delete(name)
    assert not store.exists(name) and list(store.list(COLLECTION)) == []


def test_a_deletion_is_durable(store, saved, monkeypatch):
    _, name = saved()
    folder, synced, sync = store.path(name).parent, [], durable.sync_directory
    monkeypatch.setattr(
        durable, "sync_directory", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd))
    )
    store.delete(name)
    assert synced == [str(folder), str(folder.parent)]


@pytest.mark.parametrize(
    "name",
    ["", "scan.zip", "/etc/passwd", "a/b/c/d", "a/b/c/d/e/f", "../b/c/d/e", "a/../c/d/e", "a/b/c/d/..", "a/b/c/d/.",
     "a/b/c/d/", "a//c/d/e", "a/b/c/d/e\0"],
)  # fmt: skip
@pytest.mark.parametrize("use", ["size", "metadata", "delete", "path"])
def test_a_name_that_could_lead_elsewhere_is_unknown(store, name, use):
    with pytest.raises(ObjectUnknown):
        getattr(store, use)(name)


def test_space_is_what_this_user_may_still_write(store, nas):
    space = os.statvfs(nas)
    assert store.free_bytes() == pytest.approx(space.f_bavail * space.f_frsize, rel=0.01)
