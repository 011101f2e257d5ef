"""What the store can never take, for its size, is refused with a code of its own, and ends. Names and places cost no bytes."""

import contextlib
import errno
import hashlib
import os
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from services_app.store import checkup, probe
from services_app.store.errors import CollectionBarred
from services_app.store.paths import object_directory
from services_app.uploads import actions, policies
from services_app.uploads.models import Upload
from services_app.uploads.wire.callers import verifier
from tests.mounts import bound, mounted
from tests.services_app.making import COLLECTION, a_zip, announced, begun, over, some_uuid

pytestmark = pytest.mark.django_db
CONTENT = a_zip(b"content" * 100)
NAMED = ("open", "link", "mkdir", "rename", "stat", "unlink")


@pytest.fixture
def token(grant_token):
    return grant_token()


@pytest.fixture
def short_names(monkeypatch):
    """A store that takes names of 143 bytes, as eCryptfs does, whatever pathconf says."""
    for call in NAMED:
        monkeypatch.setattr(os, call, _refusing(getattr(os, call), 143))


def _refusing(real, most):
    def call(path, *args, **kwargs):
        names = [part for given in (path, *args) if isinstance(given, str) for part in given.split("/")]
        if max(map(len, map(str.encode, names)), default=0) > most:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        return real(path, *args, **kwargs)

    return call


@pytest.fixture
def whole(known_store, token):
    """A function: an abandoned upload under this name that is whole and only has to be published."""

    def make(name="scan.zip"):
        upload = begun(verifier().verify(token), announced(len(CONTENT), name=name))
        with known_store.stage(upload.id) as staged:
            staged.write(memoryview(CONTENT))
            staged.finish()
        actions.begin_commit(upload, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), media_type="application/zip")
        Upload.objects.update(**over())
        return Upload.objects.select_related("grant").get(id=upload.id)

    return make


@pytest.fixture
def refused(monkeypatch):
    """A function: giving a final name that ends so fails with this errno, `times` or always."""

    def refuse(code, ending="", times=None):
        real, left = os.link, iter(range(times)) if times else iter(int, 1)

        def link(source, name, *args, **kwargs):
            if "probe" in os.fspath(name) or not name.endswith(ending) or next(left, None) is None:
                return real(source, name, *args, **kwargs)
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", link)

    return refuse


def has_ended(token, known_store, code="unstorable") -> bool:
    upload = Upload.objects.get()
    return (upload.state, upload.problem, upload.slot, known_store.staged_names()) == ("aborted", code, None, []) and (
        policies.slot_for(verifier().verify(token)) == (0, [])
    )


OF_THE_STORE = [errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS]
OF_THE_NAME = [errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL]
PASSING = [errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM]


@pytest.mark.parametrize("code", [*OF_THE_STORE, *OF_THE_NAME])
@pytest.mark.parametrize("asked", ["its own request", "GET", "recover"])
def test_a_link_that_fails_costs_no_bytes_whatever_it_says(
    control, uploads, token, known_store, whole, refused, monkeypatch, code, asked
):
    """init_store saw links working here: this says something of the store, and stores are mended."""
    if asked != "its own request":
        whole()
    with monkeypatch.context():
        refused(code)
        if asked == "its own request":
            answer = uploads("PUT", "/u", token=token, body=CONTENT)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable") and "Retry-After" in answer
        elif asked == "recover":
            with pytest.raises(CommandError, match="1 failed"):
                call_command("recover", stdout=StringIO(), stderr=StringIO())
        else:
            assert control("GET", f"/u/{Upload.objects.get().id}", token=token).json()["state"] == "committing"
    upload = Upload.objects.select_related("grant").get()
    assert upload.state == "committing" and known_store.staged_size(upload.id) == len(CONTENT)
    monkeypatch.undo()
    Upload.objects.update(**over())
    known_store.publish(upload.id, actions.directory_of(upload), upload.safe_name, upload.size)


@pytest.mark.parametrize("code", OF_THE_NAME)
@pytest.mark.parametrize("times", [1, None])
def test_a_name_that_is_refused_for_ever_is_another_one_and_no_loss(uploads, token, known_store, refused, code, times):
    refused(code, "scan.zip", times)
    answer = uploads("PUT", "/u", token=token, body=CONTENT, HTTP_CONTENT_DISPOSITION='attachment; filename="scan.zip"')
    assert answer.status_code == 201
    upload = Upload.objects.select_related("grant").get()
    assert upload.safe_name == ("scan.zip" if times else "upload") and known_store.staged_names() == []
    assert known_store.path(actions.object_name(upload)).read_bytes() == CONTENT


@pytest.mark.parametrize("crashed_after", ["link", "unlink"])
@pytest.mark.parametrize("asked", ["GET", "DELETE"])
def test_a_file_that_fell_back_on_another_name_before_a_crash_is_found_there(
    control, token, known_store, whole, refused, monkeypatch, asked, crashed_after
):
    upload = whole()
    with monkeypatch.context():
        refused(errno.EILSEQ, "scan.zip")
        known_store.publish(upload.id, actions.directory_of(upload), upload.safe_name, upload.size)
    monkeypatch.undo()
    if crashed_after == "unlink":
        known_store.discard(upload.id)
    control(asked, f"/u/{upload.id}", token=token)
    assert Upload.objects.get().state == "committed"
    path = known_store.path(actions.object_name(Upload.objects.select_related("grant").get()))
    assert path.name == "upload" and path.stat().st_nlink == 1


@pytest.mark.parametrize("code", [errno.EIO, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_an_upload_that_cannot_be_published_now_can_be_cancelled(control, token, known_store, whole, refused, code):
    upload = whole()
    refused(code)
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committing"
    assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 204
    assert has_ended(token, known_store, "upload_cancelled")
    assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 410


def test_a_cancellation_that_comes_too_late_finds_the_file_stored(control, token, known_store, whole, monkeypatch):
    upload = whole()
    folder = known_store.root.joinpath("collections", *actions.directory_of(upload))
    failing = iter([False, True])  # twice it is tried to settle it first; the second time only the answer is lost
    real = os.link

    def link(*args, **kwargs):
        if next(failing, True):
            real(*args, **kwargs)
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "link", link)
    assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 409
    assert Upload.objects.get().state == "committed" and (folder / "scan.zip").read_bytes() == CONTENT


@pytest.fixture
def obstacle(known_store):
    """A function: put something else under the final name of an upload; returns its path."""

    def put(upload, kind):
        path = known_store.root.joinpath("collections", *actions.directory_of(upload), "scan.zip")
        path.parent.mkdir(parents=True)
        match kind:
            case "another size":
                path.write_bytes(b"foreign")
            case "the same size":
                path.write_bytes(bytes(len(CONTENT)))
            case "a copy":
                path.write_bytes(CONTENT)
            case "a folder":
                path.mkdir()
            case "a dangling link":
                path.symlink_to("nowhere")
        return path

    return put


@pytest.mark.parametrize("way", ["by its own request", "by whoever asks next"])
def test_until_the_ledger_has_its_entry_the_staged_name_says_whose_the_file_is(
    control, uploads, token, known_store, whole, monkeypatch, way
):
    with monkeypatch.context() as patch:
        patch.setattr(actions, "complete", lambda *_: (_ for _ in ()).throw(OperationalError("database is locked")))
        if way == "by its own request":
            assert uploads("PUT", "/u", token=token, body=CONTENT).status_code == 503
        else:
            assert control("GET", f"/u/{whole().id}", token=token).status_code == 503
    upload = Upload.objects.select_related("grant").get()
    final = known_store.path(actions.object_name(upload))
    assert upload.state == "committing" and final.samefile(known_store.root / "staging" / str(upload.id))
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"
    assert final.read_bytes() == CONTENT and known_store.staged_names() == []


OBSTACLES = ["another size", "the same size", "a folder", "a dangling link"]


@pytest.mark.parametrize("kind", [*OBSTACLES, "a copy"])
def test_what_else_stands_under_its_name_is_never_signed_for_and_costs_nothing_acknowledged(
    control, token, known_store, whole, obstacle, capsys, kind
):
    upload = whole()
    path = obstacle(upload, kind)
    for _ in range(3):
        told = control("GET", f"/u/{upload.id}", token=token).json()
        assert (told["state"], told["receipt"]) == ("committing", None)
        with pytest.raises(CommandError, match="1 failed"):
            call_command("recover", stdout=StringIO())
        assert f"upload {upload.id}: StoreUnavailable, from ObjectExists" in capsys.readouterr().err
    assert known_store.staged_size(upload.id) == len(CONTENT)
    path.rmdir() if kind == "a folder" else path.unlink()
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"
    assert path.read_bytes() == CONTENT and known_store.staged_names() == []


@pytest.mark.parametrize("kind", OBSTACLES)
@pytest.mark.parametrize("is_staged", [True, False])
def test_its_sender_can_end_an_upload_whose_name_something_else_has(control, token, known_store, whole, obstacle, kind, is_staged):
    upload = whole()
    path = obstacle(upload, kind)
    if not is_staged:
        known_store.discard(upload.id)
    assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 204
    assert has_ended(token, known_store, "upload_cancelled") and os.path.lexists(path)


@pytest.mark.parametrize("asked", ["GET", "DELETE", "recover"])
@pytest.mark.parametrize("instead", ["shorter", "a link", "nothing"])
def test_an_upload_whose_staged_bytes_are_lost_ends_whoever_asks(control, token, known_store, whole, tmp_path, asked, instead):
    upload = whole()
    known_store.path(actions.object_name(upload)).parent.mkdir(parents=True)  # its request made that ahead
    staged = known_store.root / "staging" / str(upload.id)
    if instead == "shorter":
        os.truncate(staged, 10)
    else:
        staged.unlink()
    if instead == "a link":
        (tmp_path / "other").write_bytes(CONTENT)
        staged.symlink_to(tmp_path / "other")
    if asked == "recover":
        call_command("recover", stdout=StringIO())
    else:
        assert control(asked, f"/u/{upload.id}", token=token).status_code < 500
    assert has_ended(token, known_store, "upload_gone")
    assert not known_store.root.joinpath("collections", *actions.directory_of(upload), "scan.zip").exists()


def test_a_file_larger_than_the_file_system_takes_is_422_and_leaves_nothing(uploads, token, known_store):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))  # EFBIG, which is real
    try:
        answer = uploads("PUT", "/u", token=token, body=a_zip(os.urandom(2 << 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (answer.status_code, answer.json()["code"]) == (422, "unstorable")
    assert has_ended(token, known_store)


LONG = ["n" * 164 + ".zip", "é" * 80 + ".zip", "漢" * 60 + ".zip", "x" * 200]


@pytest.mark.usefixtures("short_names")
@pytest.mark.parametrize("name", LONG)
def test_a_name_is_shortened_to_what_the_store_takes_with_its_manifest(uploads, token, known_store, name):
    disposition = f'attachment; filename="{name}"'.encode().decode("latin-1")  # as WSGI hands it over
    answer = uploads("PUT", "/u", token=token, body=CONTENT, HTTP_CONTENT_DISPOSITION=disposition)
    assert answer.status_code == 201
    upload = Upload.objects.select_related("grant").get()
    assert len(f".{upload.safe_name}.manifest.json".encode()) <= 143 and upload.safe_name[:20] == name[:20]
    assert upload.safe_name.endswith(".zip") == name.endswith(".zip")
    path = known_store.path(actions.object_name(upload))
    assert path.read_bytes() == CONTENT and known_store.metadata(actions.object_name(upload))["name"] == upload.safe_name


@pytest.mark.usefixtures("short_names")
@pytest.mark.parametrize("crashed_after", ["nothing", "link", "unlink"])
def test_an_upload_begun_under_too_long_a_name_is_finished_under_a_shorter_one(control, token, known_store, whole, crashed_after):
    upload = whole(LONG[0])
    if crashed_after != "nothing":
        known_store.publish(upload.id, actions.directory_of(upload), upload.safe_name, upload.size)
    if crashed_after == "unlink":
        known_store.discard(upload.id)
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"
    assert known_store.path(actions.object_name(Upload.objects.get())).read_bytes() == CONTENT


def test_the_longest_name_is_found_by_trying(store, monkeypatch):
    with store.mounted() as root_fd:
        assert probe.longest_name(root_fd) == 255
        for most in (probe.SHORTEST, 100, 143, 200, 254):
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", _refusing(os.open, most))
                assert probe.longest_name(root_fd) == most
    assert os.listdir(store.root / "staging") == []


ASKED = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "10"}


def test_a_collection_on_another_mount_is_refused_for_good_at_the_door_and_costs_no_bytes(
    control, uploads, token, known_store, whole, tmp_path
):
    """EXDEV, for real: bind-mounted, or under another project quota, a folder of the same file system takes no link."""
    upload = whole()
    elsewhere = known_store.root / "elsewhere"
    elsewhere.mkdir()
    with bound(known_store.root / "collections" / COLLECTION, elsewhere):
        assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committing"
        answer = control("GET", "/authorize", token=token, **ASKED)
        assert (answer.status_code, answer["X-Upload-Verdict"]) == (403, "unstorable")
        ready = control("GET", "/readyz")
        assert (ready.status_code, ready.json()["collections"]) == (503, f"{COLLECTION} failing (EXDEV at link)")
        with pytest.raises(CollectionBarred):
            known_store.check(COLLECTION)
        assert os.listdir(elsewhere) == []
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"


@contextlib.contextmanager
def in_its_place(path, kind):
    """A month, or a year, that takes nothing, for the length of a `with` block."""
    path.parent.mkdir(exist_ok=True)
    if kind == "another device":
        with mounted(path):
            yield
    elif kind == "another mount":
        path.mkdir()
        with bound(path, path):
            yield
    else:
        path.touch() if kind == "a file" else path.symlink_to(path.parent.parent)
        yield
        path.unlink()


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize(
    ("kind", "begins"),
    [("a file", "store_unavailable"), ("a link", "store_unavailable"), ("another device", "unstorable"), ("another mount", "unstorable")],
)
def test_the_year_and_the_month_in_which_it_would_be_published_are_tried_at_the_door(
    control, token, known_store, monkeypatch, depth, kind, begins
):
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    path = known_store.root.joinpath("collections", *object_directory(COLLECTION, some_uuid(), datetime.now(UTC))[:depth])
    with in_its_place(path, kind):
        assert control("GET", "/authorize", token=token, **ASKED)["X-Upload-Verdict"] == begins
        assert control("GET", "/readyz").json()["collections"].startswith(f"{COLLECTION} failing")
    assert "X-Upload-Verdict" not in control("GET", "/authorize", token=token, **ASKED)
    assert list(known_store.root.rglob(f"{probe.PREFIX}*")) == []


@pytest.mark.parametrize(
    ("code", "begins"), [*((code, "unstorable") for code in OF_THE_STORE), *((code, "store_unavailable") for code in PASSING)]
)
def test_what_would_begin_in_a_barred_collection_is_refused_for_good_and_what_has_begun_waits(
    control, uploads, token, known_store, monkeypatch, code, begins
):
    created = uploads("POST", "/u", token=token, HTTP_TUS_RESUMABLE="1.0.0", HTTP_UPLOAD_LENGTH=str(len(CONTENT)))
    assert created.status_code == 201
    appended = f"/{Upload.objects.get().id}"
    real = os.link

    def link(source, name, *args, **kwargs):
        if name.startswith(f"collections/{COLLECTION}/"):
            raise OSError(code, os.strerror(code))
        return real(source, name, *args, **kwargs)

    def told(**asked):
        return control("GET", "/authorize", token=token, **ASKED | asked)["X-Upload-Verdict"]

    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        assert told() == begins
        tus = {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_OFFSET": "0", "CONTENT_TYPE": "application/offset+octet-stream"}
        assert told(HTTP_X_UPLOAD_METHOD="PATCH", HTTP_X_UPLOAD_PATH=appended, **tus) == "store_unavailable"
        assert Upload.objects.get().state == "waiting"
    assert "X-Upload-Verdict" not in control("GET", "/authorize", token=token, **ASKED)


def test_a_store_that_takes_no_longer_name_is_asked_once(store, monkeypatch):
    asked, real = [], probe.longest_name
    monkeypatch.setattr(probe, "longest_name", lambda fd: asked.append(fd) or real(fd))
    for name in ("short.zip", "x" * 100, "y" * 200):
        upload_id = some_uuid()
        path = store.save(upload_id, (COLLECTION, "2026", "03", str(upload_id)), name, [b"x"])
        assert path.endswith(f"/{name}")
    assert len(asked) == 1
