"""A folder of the store that was mounted over, or replaced, says nothing of what lies beneath: 503, and every byte stays."""

import contextlib
import errno
import os
import shutil
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.store import sentinel
from services_app.store.errors import StagedBytesLost, StoreUnavailable
from services_app.uploads import actions, recover
from services_app.uploads.models import Upload
from tests.mounts import bound
from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    begun,
    over,
    some_uuid,
)

pytestmark = pytest.mark.django_db
CONTENT = a_zip(b"content" * 100)


@contextlib.contextmanager
def mounted_over(folder):
    """By an empty folder of the same file system."""
    other = folder.parent / ".another"
    other.mkdir()
    with bound(folder, other):
        yield


@contextlib.contextmanager
def replaced(folder):
    """Moved aside, with an empty one in its place."""
    aside = folder.with_name(".aside")
    folder.rename(aside)
    folder.mkdir()
    yield
    folder.rmdir()
    aside.rename(folder)


@contextlib.contextmanager
def away(folder):
    """Moved aside, with nothing in its place."""
    aside = folder.with_name(".aside")
    folder.rename(aside)
    yield
    aside.rename(folder)


@contextlib.contextmanager
def linked(folder):
    """Moved aside, with a link to it in its place: what is moved by people is found by everything that follows links."""
    with away(folder):
        folder.symlink_to(folder.with_name(".aside"))
        yield
        folder.unlink()


@contextlib.contextmanager
def dangling(folder):
    with away(folder):
        folder.symlink_to("/nowhere")
        yield
        folder.unlink()


@contextlib.contextmanager
def a_file(folder):
    with away(folder):
        folder.touch()
        yield
        folder.unlink()


@contextlib.contextmanager
def onto_itself(folder):
    with bound(folder, folder):
        yield


@pytest.fixture
def waiting(known_store, grant_token):
    """A token and its upload, of which five bytes are promised."""
    from services_app.uploads.wire.callers import verifier

    token = grant_token()
    upload = begun(verifier().verify(token), announced(10))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(b"12345"))
        staged.checkpoint()
    Upload.objects.update(offset=5)
    upload.refresh_from_db()
    return token, upload


@pytest.mark.parametrize("hidden", [mounted_over, replaced])
@pytest.mark.parametrize("state", ["waiting", "receiving", "committing"])
def test_bytes_that_are_not_in_another_staging_are_not_lost(control, waiting, known_store, hidden, state):
    token, upload = waiting
    if state == "waiting":
        actions.wait(upload)
    elif state == "committing":
        actions.begin_commit(upload, size=5, sha256="0" * 64, media_type="text/plain")
    if state != "waiting":
        Upload.objects.update(**over())
    with hidden(known_store.root / "staging"):
        assert control("HEAD", f"/u/{upload.id}", token=token).status_code in (423, 503)
        if state != "waiting":
            with pytest.raises(CommandError, match="failed"):
                call_command("recover", stdout=StringIO(), stderr=StringIO())
        for use in (
            lambda: known_store.stage(upload.id, 5),
            lambda: known_store.reseat(upload.id, 5),
            lambda: known_store.concatenate([(upload.id, 5)], some_uuid()),
            lambda: known_store.publish(upload.id, actions.directory_of(upload), "scan.zip", 5),
        ):
            with pytest.raises(StoreUnavailable):
                use()
    assert Upload.objects.get().state in ("waiting", "receiving", "committing")
    assert known_store.staged_size(upload.id) == 5


@pytest.mark.parametrize("hidden", [mounted_over, onto_itself])
@pytest.mark.parametrize("folder", ["staging", "collections", f"collections/{COLLECTION}"])
def test_what_is_mounted_over_is_no_place_to_store_or_to_look_for_anything(
    known_store, upload_id, directory, hidden, folder
):
    known_store.save(some_uuid(), directory, "other.zip", [b"before"])
    with known_store.stage(upload_id) as staged:
        staged.write(memoryview(b"12345"))
        staged.finish()
    with hidden(known_store.root / folder):
        with pytest.raises(StoreUnavailable):
            known_store.publish(upload_id, directory, "scan.zip", 5)
        if hidden is mounted_over:
            for use in (known_store.size, known_store.metadata, known_store.delete):
                with pytest.raises(StoreUnavailable):
                    use("/".join((*directory, "other.zip")))
            for use in (
                lambda: list(known_store.list(COLLECTION)),
                lambda: known_store.withdraw(upload_id, directory, "scan.zip"),
            ):
                if folder != "staging":
                    with pytest.raises(StoreUnavailable):
                        use()
    known_store.publish(upload_id, directory, "scan.zip", 5)


def test_a_staging_that_was_replaced_on_purpose_is_learned(known_store, upload_id, capsys):
    with known_store.stage(upload_id) as staged:
        staged.write(memoryview(b"12345"))
        staged.finish()
    (known_store.root / "staging").rename(known_store.root / ".old")
    (known_store.root / "staging").mkdir()
    err = StringIO()
    call_command("init_store", stdout=StringIO(), stderr=err)
    assert "--staging-is-new" in err.getvalue()
    with pytest.raises(StoreUnavailable):
        known_store.stage(upload_id, 5)
    err = StringIO()
    call_command("init_store", "--staging-is-new", stdout=StringIO(), stderr=err)
    assert err.getvalue() == ""
    with pytest.raises(StagedBytesLost):
        known_store.stage(upload_id, 5)


def test_a_store_of_before_learns_its_staging(known_store, upload_id):
    mark = known_store.root / ".sluice-store"
    os.chmod(mark, 0o600)
    mark.write_text(f'{{"store": "{known_store.store_id}"}}')
    with pytest.raises(StagedBytesLost):
        known_store.stage(upload_id, 5)
    call_command("init_store", stdout=StringIO(), stderr=StringIO())
    with known_store.mounted() as root_fd:
        assert sentinel.knows_staging(root_fd) is True


# How many components of an object's folder remain, and what became of the next one.
HIDDEN = [(1, away), (1, replaced), (1, mounted_over), (2, away), (2, replaced), (3, away), (3, replaced)]


def hidden_part(known_store, upload, depth):
    return known_store.root.joinpath("collections", *actions.directory_of(upload)[:depth])


@pytest.fixture
def visible(control, uploads, known_store, grant_token, monkeypatch):
    """A function: a token and its upload, whose file got its name and whose commit failed behind that."""

    def make():
        token, real = grant_token(), os.link

        def link(source, name, *args, **kwargs):
            real(source, name, *args, **kwargs)
            if name == "scan.zip":
                raise OSError(errno.EIO, "")

        with monkeypatch.context() as patch:
            patch.setattr(os, "link", link)
            named = {"HTTP_CONTENT_DISPOSITION": "attachment; filename=scan.zip"}
            assert uploads("PUT", "/u", token=token, body=CONTENT, **named).status_code == 503
        upload = Upload.objects.select_related("grant").get()
        assert upload.state == "committing" and known_store.path(actions.object_name(upload)).exists()
        return token, upload

    return make


@pytest.mark.parametrize(("depth", "hidden"), HIDDEN)
def test_what_may_be_visible_cannot_be_cancelled_while_its_folder_is_not_there(
    control, known_store, visible, monkeypatch, depth, hidden
):
    token, upload = visible()
    real = os.link
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "")))
    with hidden(hidden_part(known_store, upload, depth)):
        assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 503
        assert Upload.objects.get().state == "committing" and known_store.staged_size(upload.id) == len(CONTENT)
        # The same of what is no longer whole: it would be called lost, and stand there.
        os.chmod(known_store.root / "staging" / str(upload.id), 0o600)
        os.truncate(known_store.root / "staging" / str(upload.id), 10)
        for method in ("GET", "DELETE"):
            control(method, f"/u/{upload.id}", token=token)
            assert Upload.objects.get().state == "committing"
        (known_store.root / "staging" / str(upload.id)).write_bytes(CONTENT)
        shutil.rmtree(hidden_part(known_store, upload, depth + 1), ignore_errors=True)
    monkeypatch.setattr(os, "link", real)
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT


# Of an empty month nobody can tell that it was another, and of a folder that is not in its month nobody says that it should be.
ELSEWHERE = [(depth, hidden) for depth in (1, 2, 3, 4) for hidden in (mounted_over, linked, dangling, a_file)]


@pytest.mark.parametrize(("depth", "hidden"), [*dict.fromkeys((*HIDDEN[:-1], *ELSEWHERE))])
def test_a_stored_file_whose_folder_is_not_there_is_neither_gone_nor_deleted(
    control, uploads, known_store, grant_token, depth, hidden
):
    assert uploads("PUT", "/u", token=grant_token(), body=CONTENT).status_code == 201
    upload = Upload.objects.select_related("grant").get()
    web_app = {"token": INTERNAL_KEY, "peer": Connection(WEB_APP)}
    with hidden(hidden_part(known_store, upload, depth)):
        for method in ("HEAD", "DELETE"):
            assert control(method, f"/internal/v1/objects/{upload.id}", **web_app).status_code == 503
        assert Upload.objects.get().state == "committed"
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT
    assert control("HEAD", f"/internal/v1/objects/{upload.id}", **web_app).status_code == 200
    assert control("DELETE", f"/internal/v1/objects/{upload.id}", **web_app).status_code == 204


@pytest.mark.parametrize(("depth", "hidden"), HIDDEN[:-1])
def test_no_month_is_made_in_the_place_of_one_that_is_away(control, uploads, known_store, grant_token, depth, hidden):
    assert uploads("PUT", "/u", token=grant_token(), body=CONTENT).status_code == 201
    upload, token = Upload.objects.select_related("grant").get(), grant_token()
    folder = hidden_part(known_store, upload, depth)
    with hidden(folder):
        for listener, method, path in ((control, "POST", "/u/check"), (uploads, "PUT", "/u")):
            length = {"HTTP_UPLOAD_LENGTH": str(len(CONTENT))} if listener is control else {}
            answer = listener(method, path, token=token, body=CONTENT, **length)
            if listener is uploads or (depth == 1 and hidden is away):
                assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        if hidden is replaced:
            assert not list(folder.iterdir())
        elif hidden is away:
            assert not folder.exists()
    assert uploads("PUT", "/u", token=token, body=CONTENT).status_code == 201
    assert known_store.exists(actions.object_name(upload))


def test_a_collection_that_is_away_is_not_unknown_nor_made_anew_by_web_app(
    control, uploads, known_store, grant_token, settings
):
    settings.COLLECTIONS_FROM_WEB = True
    web_app = {"token": INTERNAL_KEY, "peer": Connection(WEB_APP)}
    folder = known_store.root / "collections" / COLLECTION
    with away(folder):
        assert (
            uploads("PUT", "/u", token=grant_token(), body=CONTENT).json()["code"] == "collection_unknown"
        )  # nothing is stored in it
    assert uploads("PUT", "/u", token=grant_token(), body=CONTENT).status_code == 201
    for hide, what in ((away, folder), (replaced, folder.parent)):
        with hide(what):
            assert control("PUT", f"/internal/v1/collections/{COLLECTION}", **web_app).status_code == 503
            assert uploads("PUT", "/u", token=grant_token(), body=CONTENT).json()["code"] == "store_unavailable"
            assert not folder.exists()


@pytest.mark.parametrize(("depth", "hidden"), [each for each in (*HIDDEN[:-1], *ELSEWHERE) if each != (4, a_file)])
def test_what_may_be_visible_is_not_called_lost_while_its_folder_is_not_there_though_nothing_is_staged(
    control, known_store, visible, depth, hidden
):
    token, upload = visible()
    (known_store.root / "staging" / str(upload.id)).unlink()
    folder = hidden_part(known_store, upload, depth)
    with hidden(folder):
        for method in ("GET", "DELETE"):
            control(method, f"/u/{upload.id}", token=token)
            assert Upload.objects.get().state == "committing"
        if hidden is away:
            assert not folder.exists()
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT


def test_an_upload_that_cannot_be_settled_is_told_of_once_a_minute_however_often_it_is_asked_for(
    control, known_store, visible, monkeypatch, caplog
):
    def told():
        return [record.upload_id for record in caplog.records if record.message == "not settled"]

    token, upload = visible()
    with mounted_over(known_store.root / "collections" / COLLECTION):
        for _ in range(3):
            assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committing"
        assert told() == [upload.id]
        monkeypatch.setattr(recover, "TOLD_EVERY", 0)
        control("GET", f"/u/{upload.id}", token=token)
        assert told() == [upload.id] * 2
