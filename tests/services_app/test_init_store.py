"""`init_store`: run once while the NAS is mounted; never overwrites, never adopts the wrong place."""

import errno
import json
import os
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.store.current import current_store
from services_app.store.models import StoreIdentity

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


@pytest.mark.parametrize("call", ["link", "fsync"])
def test_a_file_system_that_cannot_keep_the_protocol_is_told_now(root, monkeypatch, call):
    init()

    def unable(*args, **kwargs):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, call, unable)
    with pytest.raises(CommandError, match="cannot hard-link or sync"):
        init()
    assert list((root / "staging").iterdir()) == []
