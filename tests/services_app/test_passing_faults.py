"""A fault of the store that passes ends nothing: whoever asks meanwhile is told 503, and what was acknowledged is there after it."""

import contextlib
import errno
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.ledger.models import Entry
from services_app.uploads import actions
from services_app.uploads.models import Upload
from services_app.uploads.wire.callers import verifier
from tests.services_app.making import INTERNAL_KEY, WEB_APP, Connection, a_zip, announced, begun, over

pytestmark = pytest.mark.django_db
CONTENT = a_zip(b"content" * 100)
SAFE = 50  # bytes
PASSING = [errno.EIO, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT]
IETF = {"HTTP_UPLOAD_COMPLETE": "?0"}
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0"}


@pytest.fixture
def token(grant_token):
    return grant_token()


@pytest.fixture
def waiting(known_store, token):
    """A function: an upload that waits with SAFE bytes for its sender, or one that is whole and only has to be published."""

    def make(protocol="whole", *, whole=False):
        upload = begun(verifier().verify(token), announced(len(CONTENT), protocol=protocol))
        with known_store.stage(upload.id) as staged:
            staged.write(memoryview(CONTENT if whole else CONTENT[:SAFE]))
            staged.finish()
        if whole:
            actions.begin_commit(upload, size=len(CONTENT), sha256="ab" * 32, media_type="application/zip")
            Upload.objects.update(**over())
        else:
            actions.wait(upload, offset=SAFE, digest_state=b"", media_type="")
        return upload

    return make


@pytest.fixture
def passing(monkeypatch):
    """A function: within the `with` block every look at a path that ends so fails with this errno."""

    @contextlib.contextmanager
    def fault(code, ending, names=("stat", "open", "link")):
        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(os, name, _failing(getattr(os, name), code, ending))
            yield

    return fault


def _failing(real, code, ending):
    def call(path, *args, **kwargs):
        if str(path).endswith(ending):
            raise OSError(code, os.strerror(code))
        return real(path, *args, **kwargs)

    return call


def as_it_was(upload, known_store, state="waiting", size=SAFE) -> bool:
    now = Upload.objects.get(id=upload.id)
    return (now.state, now.offset, known_store.staged_size(upload.id)) == (state, size, size) and not Entry.objects.exists()


# Of a mere look these say nothing of room, and nothing of what may be stored.
LOOKING = [*PASSING, errno.EDQUOT, errno.ENOSPC, errno.ENAMETOOLONG, errno.EXDEV]


@pytest.mark.parametrize("code", LOOKING)
@pytest.mark.parametrize(
    ("method", "protocol", "meta", "status"),
    [
        ("HEAD", "whole", {}, 503),
        ("HEAD", "ietf", {}, 503),
        ("GET", "ietf", {}, 503),
        ("HEAD", "tus", TUS, 423),  # upon which its clients ask again, instead of beginning anew
    ],
)
def test_who_asks_where_to_go_on_is_told_to_ask_again(control, waiting, token, known_store, passing, code, method, protocol, meta, status):
    upload = waiting(protocol)
    with passing(code, str(upload.id)):
        answer = control(method, f"/u/{upload.id}", token=token, **meta)
    assert (answer.status_code, answer["Retry-After"]) == (status, "30")
    assert as_it_was(upload, known_store)
    assert control(method, f"/u/{upload.id}", token=token, **meta)["Upload-Offset"] == str(SAFE)


@pytest.mark.parametrize("code", PASSING)
def test_an_append_meets_503_and_goes_on_afterwards(uploads, waiting, token, known_store, passing, code):
    upload = waiting()
    headers = {"HTTP_UPLOAD_OFFSET": str(SAFE), "CONTENT_TYPE": "application/partial-upload", "HTTP_UPLOAD_COMPLETE": "?1"}
    with passing(code, str(upload.id)):
        answer = uploads("PATCH", f"/u/{upload.id}", token=token, body=CONTENT[SAFE:], **headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert as_it_was(upload, known_store)
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=CONTENT[SAFE:], **headers).status_code == 201
    assert known_store.path(actions.object_name(Upload.objects.get())).read_bytes() == CONTENT


@pytest.mark.parametrize("code", PASSING)
def test_a_new_upload_meets_503_and_leaves_what_waits_alone(uploads, waiting, token, known_store, passing, code):
    upload = waiting()
    with passing(code, ".sluice-store"):
        answer = uploads("PUT", "/u", token=token, body=CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert as_it_was(upload, known_store)


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("at", ["{id}", "scan.zip", "collections"])
def test_what_is_whole_is_published_once_the_store_answers(control, waiting, token, known_store, passing, code, at):
    upload = waiting(whole=True)
    with passing(code, at.format(id=upload.id)):
        answer = control("HEAD", f"/u/{upload.id}", token=token)
        assert answer.status_code in (423, 503) and answer["Retry-After"]
        with pytest.raises(CommandError):
            call_command("recover", stdout=StringIO())
    assert Upload.objects.get().state == "committing" and not Entry.objects.exists()
    assert control("GET", f"/u/{upload.id}", token=token).json()["state"] == "committed"


@pytest.mark.parametrize("code", PASSING)
def test_recover_removes_nothing_that_it_could_not_look_at(waiting, known_store, passing, code):
    upload = waiting()
    Upload.objects.update(state="receiving", owner="", **over())
    with passing(code, str(upload.id)), pytest.raises(CommandError):
        call_command("recover", stdout=StringIO())
    assert as_it_was(upload, known_store, "receiving")
    call_command("recover", stdout=StringIO())
    assert as_it_was(upload, known_store)


@pytest.mark.parametrize("code", PASSING)
def test_a_cancellation_frees_the_grant_and_leaves_the_bytes_to_recover(control, waiting, token, known_store, passing, code):
    upload = waiting()
    with passing(code, str(upload.id), ("unlink",)):
        assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 204
    assert known_store.staged_size(upload.id) == SAFE
    out = StringIO()
    call_command("recover", stdout=out)
    assert "leftovers removed 1" in out.getvalue() and known_store.staged_size(upload.id) is None


@pytest.mark.parametrize("code", PASSING)
def test_a_deletion_over_the_internal_api_is_503_and_not_gone(control, waiting, token, known_store, passing, code):
    upload = waiting(whole=True)
    control("GET", f"/u/{upload.id}", token=token)
    web_app = {"token": INTERNAL_KEY, "peer": Connection(WEB_APP)}
    for method in ("HEAD", "DELETE"):
        with passing(code, "scan.zip", ("stat", "unlink")):
            assert control(method, f"/internal/v1/objects/{upload.id}", **web_app).status_code == 503
    assert control("HEAD", f"/internal/v1/objects/{upload.id}", **web_app).status_code == 200
