"""Is the NAS there? Nothing is written where the sentinel is not the store's own."""

import json
import os
import shutil
import uuid
from pathlib import Path

import pytest

from services_app.store import sentinel
from services_app.store.errors import StoreUnavailable
from services_app.store.nas import LocalFileSystemStorage
from tests.services_app.making import COLLECTION, some_uuid, stored_files

DIRECTORY = (COLLECTION, "2026", "03", "01890000-0000-7000-8000-0000000000aa")


def every_use(store):
    """One call of each method of the store."""
    upload_id, name = some_uuid(), "/".join((*DIRECTORY, "scan.zip"))
    return {
        "free_bytes": store.free_bytes,
        "has_collection": lambda: store.has_collection(COLLECTION),
        "stage": lambda: store.stage(upload_id),
        "staged_size": lambda: store.staged_size(upload_id),
        "discard": lambda: store.discard(upload_id),
        "publish": lambda: store.publish(upload_id, DIRECTORY, "scan.zip", 14),
        "save": lambda: store.save(upload_id, DIRECTORY, "scan.zip", [b"x"]),
        "write_manifest": lambda: store.write_manifest(name, {}),
        "add_collection": lambda: store.add_collection("other"),
        "exists": lambda: store.exists(name),
        "size": lambda: store.size(name),
        "metadata": lambda: store.metadata(name),
        "list": lambda: list(store.list(COLLECTION)),
        "delete": lambda: store.delete(name),
    }


def refuses_every_use(store):
    for name, use in every_use(store).items():
        with pytest.raises(StoreUnavailable):
            use()
            pytest.fail(f"{name} did not ask whether the store is there")


def test_a_root_that_is_absent_is_unavailable(tmp_path, store):
    store.root = tmp_path / "nowhere"
    refuses_every_use(store)


def test_an_empty_folder_in_place_of_the_nas_is_unavailable_and_stays_empty(nas, store):
    shutil.move(nas, nas.with_name("unmounted"))
    nas.mkdir()
    refuses_every_use(store)
    assert list(nas.iterdir()) == []


def test_folders_without_the_sentinel_are_not_enough(nas, store):
    os.chmod(nas / ".sluice-store", 0o600)
    (nas / ".sluice-store").unlink()
    refuses_every_use(store)
    assert stored_files(nas) == []


def test_the_sentinel_of_another_store_is_unavailable_and_nothing_is_written(nas, store):
    store.store_id = uuid.uuid4()
    refuses_every_use(store)
    assert stored_files(nas) == []


def test_a_store_without_an_identity_is_unavailable(nas):
    refuses_every_use(LocalFileSystemStorage(nas, None))


@pytest.mark.parametrize(
    "content", [b"", b"x", b"[]", b"{}", b'{"store": 5}', b'{"store": null}', b'{"store": "x"}', b'"x"', b"\xff"]
)
def test_a_sentinel_that_cannot_be_understood_is_unavailable(nas, store, content):
    (nas / ".sluice-store").unlink()
    (nas / ".sluice-store").write_bytes(content)
    with pytest.raises(StoreUnavailable):
        store.free_bytes()


def test_a_sentinel_that_is_a_link_is_not_followed(nas, store, tmp_path):
    (nas / ".sluice-store").rename(tmp_path / "elsewhere")
    (nas / ".sluice-store").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable):
        store.free_bytes()


@pytest.mark.parametrize("folder", ["staging", "collections"])
def test_a_store_whose_own_folder_is_missing_is_unavailable(nas, store, folder):
    shutil.rmtree(nas / folder)
    with pytest.raises(StoreUnavailable):
        store.stage(some_uuid())


@pytest.mark.parametrize("folder", ["staging", "collections"])
def test_a_store_whose_own_folder_is_a_link_elsewhere_is_unavailable(nas, store, tmp_path, folder):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(nas / folder, elsewhere)
    (nas / folder).symlink_to(elsewhere)
    with pytest.raises(StoreUnavailable):
        store.stage(some_uuid())


@pytest.mark.parametrize("folder", ["staging", "collections"])
def test_a_folder_on_another_device_is_unavailable(nas, store, monkeypatch, folder):
    real = os.stat

    def other_device(path, *args, **kwargs):
        found = real(path, *args, **kwargs)
        if path == folder:
            values = list(found)
            values[2] += 1
            return os.stat_result(values)
        return found

    monkeypatch.setattr(os, "stat", other_device)
    with pytest.raises(StoreUnavailable):
        store.stage(some_uuid())


def test_a_look_at_the_store_leaks_no_descriptor(nas, store):
    def open_now():
        return len(os.listdir("/proc/self/fd"))

    before = open_now()
    for _ in range(5):
        store.free_bytes()
        store.store_id, kept = uuid.uuid4(), store.store_id
        for use in every_use(store).values():
            with pytest.raises(StoreUnavailable):
                use()
        store.store_id = kept
    assert open_now() == before


def test_the_sentinel_says_its_id_and_is_never_written_twice(tmp_path):
    root_fd, store_id = os.open(tmp_path, os.O_RDONLY), uuid.uuid4()
    try:
        sentinel.write(root_fd, store_id)
        assert sentinel.read(root_fd) == store_id
        with pytest.raises(FileExistsError):
            sentinel.write(root_fd, uuid.uuid4())
        assert json.loads(Path(tmp_path, ".sluice-store").read_text())["store"] == str(store_id)
    finally:
        os.close(root_fd)


def test_a_swapped_root_is_noticed_while_its_descriptor_is_open(nas):
    root_fd = os.open(nas, os.O_RDONLY)
    try:
        assert sentinel.still_mounted(nas, root_fd)
        shutil.move(nas, nas.with_name("unmounted"))
        assert not sentinel.still_mounted(nas, root_fd)
        nas.mkdir()
        assert not sentinel.still_mounted(nas, root_fd)
    finally:
        os.close(root_fd)
