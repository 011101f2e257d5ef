"""`move_store`: a database is tied to another store on purpose, by who names the one that is left, and knows what it costs."""

import json
import os
import re
import shutil
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.ledger.models import Entry
from services_app.store.current import _store, current_store
from services_app.store.models import StoreIdentity
from services_app.uploads import actions, recover
from services_app.uploads.models import Upload
from tests.services_app.conftest import STORE_ID
from tests.services_app.making import COLLECTION, announced, begun, claims_object, over, stored_files

pytestmark = pytest.mark.django_db
CONTENT = b"the whole file"


def move(*options):
    out = StringIO()
    call_command("move_store", *options, stdout=out)
    _store.cache_clear()  # a listener that is restarted
    return out.getvalue()


@pytest.fixture
def uploads(known_store):
    """One upload of each kind that holds bytes."""
    made = {}
    for kind in ("committed", "committing", "waiting", "empty"):
        made[kind] = upload = begun(claims_object(), announced(len(CONTENT)))
        if kind != "empty":
            with known_store.stage(upload.id) as staged:
                staged.write(memoryview(CONTENT))
                staged.finish()
        if kind in ("committed", "committing"):
            actions.begin_commit(upload, size=len(CONTENT), sha256="ab" * 32, media_type="text/plain")
            actions.release(upload)
        else:
            actions.wait(upload, offset=len(CONTENT) if kind == "waiting" else 0, digest_state=b"", media_type="")
    recover.settle(Upload.objects.select_related("grant").get(id=made["committed"].id))
    return made


@pytest.fixture
def another(nas):
    """A fresh folder where the NAS was."""
    nas.rename(nas.with_name("old"))
    nas.mkdir()
    return nas


def states(uploads) -> dict:
    return {kind: Upload.objects.get(id=upload.id).state for kind, upload in uploads.items()}


def test_without_the_name_of_the_store_that_is_left_it_only_says_what_it_costs(uploads, another):
    before = states(uploads)
    for options in ((), (f"--leave={uuid.uuid4()}",)):
        with pytest.raises(CommandError, match=f"Nothing was changed.*move_store --leave {STORE_ID}"):
            move(*options)
    assert states(uploads) == before and StoreIdentity.objects.get().store_id == STORE_ID
    assert list(another.iterdir()) == []


def test_a_fresh_folder_becomes_the_store_and_what_is_not_there_ends(uploads, another):
    said = move(f"--leave={STORE_ID}")
    assert "Stored files that are not there: 1 of 1." in said and "end now: 2." in said
    assert set(re.findall(r"    (\S+) \w+", said)) == {str(uploads[kind].id) for kind in ("committed", "committing", "waiting")}
    assert states(uploads) == {"committed": "committed", "committing": "aborted", "waiting": "aborted", "empty": "waiting"}
    assert Upload.objects.get(id=uploads["waiting"].id).problem == "upload_gone"
    assert Entry.objects.filter(event="aborted").count() == 2
    store_id = StoreIdentity.objects.get().store_id
    assert store_id != STORE_ID and json.loads((another / ".sluice-store").read_text())["store"] == str(store_id)
    current_store().add_collection(COLLECTION)
    assert current_store().has_collection(COLLECTION) and stored_files(another) == []
    # What is not there is gone on purpose, and its month takes what comes.
    assert not current_store().exists(actions.object_name(uploads["committed"]))
    new = begun(claims_object(), announced(len(CONTENT)))
    assert current_store().save(new.id, actions.directory_of(new), "new.txt", [CONTENT])


def test_what_was_copied_along_goes_on(uploads, another, nas):
    shutil.copytree(nas.with_name("old"), nas, dirs_exist_ok=True)
    (nas / ".sluice-store").unlink()
    said = move(f"--leave={STORE_ID}")
    assert "not there: 0 of 1." in said and "end now: 0." in said
    assert states(uploads) == {"committed": "committed", "committing": "committing", "waiting": "waiting", "empty": "waiting"}
    assert recover.settle(Upload.objects.select_related("grant").get(id=uploads["committing"].id)) == "committed"


def test_a_store_of_another_database_is_taken_as_it_is(uploads, another):
    other = uuid.uuid4()
    (another / ".sluice-store").write_text(json.dumps({"store": str(other)}))
    move(f"--leave={STORE_ID}")
    assert StoreIdentity.objects.get().store_id == other and current_store().free_bytes() > 0


def test_the_store_that_it_belongs_to_already_is_no_other(uploads, nas):
    assert "belongs already" in move(f"--leave={STORE_ID}")
    assert states(uploads)["waiting"] == "waiting"


def test_while_uploads_run_it_refuses_and_names_them(uploads, another):
    running = begun(claims_object(), announced())
    with pytest.raises(CommandError, match=f"1 uploads are running: {running.id}"):
        move(f"--leave={STORE_ID}")
    Upload.objects.filter(id=running.id).update(**over())
    move(f"--leave={STORE_ID}")


def test_a_folder_that_is_not_fit_changes_nothing(uploads, another, monkeypatch):
    def unable(*args, **kwargs):
        raise OSError(95, "")

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="at fsync"):
        patch.setattr(os, "fsync", unable)
        move(f"--leave={STORE_ID}")
    assert states(uploads)["waiting"] == "waiting" and StoreIdentity.objects.get().store_id == STORE_ID
    assert list(another.iterdir()) == []


def test_a_place_that_cannot_be_looked_at_is_no_empty_store(uploads, another, monkeypatch):
    real = os.stat

    def stat(path, *args, **kwargs):
        if str(path).startswith("staging/"):
            raise OSError(5, "")
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="not usable now"):
        patch.setattr(os, "stat", stat)
        move(f"--leave={STORE_ID}")
    assert states(uploads)["waiting"] == "waiting"


def test_a_database_without_a_store_is_sent_to_init_store(nas, db):
    with pytest.raises(CommandError, match="init_store"):
        move()
