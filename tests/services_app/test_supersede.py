"""A new upload under a used slot: the one that waits there stands aside, and is gone only once the new one cannot be refused."""

import base64
import hashlib

import pytest

from services_app.ledger import verify
from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from tests.services_app.making import a_zip, now_of, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

ZIP = a_zip(b"content" * 100)
SAFE = 300  # bytes
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
WRONG = base64.b64encode(hashlib.sha256(b"another file").digest()).decode()
WRONG_MD5 = base64.b64encode(bytes(16)).decode()


@pytest.fixture
def waiting(uploads):
    """A function: what waits under this token, of which SAFE bytes were promised."""

    def cut_off(token):
        uploads("PUT", "/u", token=token, body=ZIP[:SAFE], CONTENT_LENGTH=str(len(ZIP)))
        upload = Upload.objects.get()
        assert (upload.state, upload.offset, upload.slot) == ("waiting", SAFE, 0)
        return upload

    return cut_off


def go_on(uploads, upload, token):
    return uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[SAFE:], HTTP_UPLOAD_OFFSET=str(SAFE), **TUS)


@pytest.mark.parametrize(
    ("method", "body", "meta"),
    [
        ("PUT", ZIP, {"HTTP_CONTENT_MD5": WRONG_MD5}),
        ("PUT", ZIP, {"HTTP_CONTENT_DIGEST": f"sha-256=:{WRONG}:"}),
        ("PUT", ZIP, {"HTTP_REPR_DIGEST": f"sha-256=:{WRONG}:"}),
        ("PUT", b"text, and no archive", {}),
        ("PUT", b"--bound\r\nContent-Disposition: form-data; name=file\r\n\r\nx", {}),
        ("PUT", b"", {"CONTENT_LENGTH": "7"}),  # hung up before a byte
        ("POST", ZIP, {"HTTP_UPLOAD_COMPLETE": "?1", "HTTP_REPR_DIGEST": f"sha-256=:{WRONG}:"}),
        ("POST", ZIP, TUS | {"HTTP_UPLOAD_LENGTH": str(len(ZIP)), "HTTP_UPLOAD_CHECKSUM": f"sha256 {WRONG}"}),
    ],
)
def test_a_new_one_that_is_refused_costs_no_promised_byte(uploads, grant_token, waiting, nas, method, body, meta):
    token = grant_token(media_types=["application/zip"])
    upload = waiting(token)
    refused = uploads(method, "/u", token=token, body=body, **meta)
    assert 400 <= refused.status_code < 500, refused.content
    upload = now_of(upload)
    assert (upload.state, upload.offset, upload.slot, upload.problem) == ("waiting", SAFE, 0, "body_cut_off")
    assert stored_files(nas) == [f"staging/{upload.id}"]
    assert go_on(uploads, upload, token).status_code == 204
    assert now_of(upload).state == "committed" and not list(verify.broken_entries())


def test_a_new_one_that_is_stored_or_keeps_bytes_of_its_own_takes_its_place(uploads, grant_token, waiting, nas):
    token = grant_token()
    first = waiting(token)
    uploads("PUT", "/u", token=token, body=ZIP[:9], CONTENT_LENGTH=str(len(ZIP)))
    second = Upload.objects.exclude(id=first.id).get()
    assert (now_of(first).state, now_of(first).problem, now_of(first).slot) == ("aborted", "superseded", None)
    assert (second.state, second.offset, second.slot) == ("waiting", 9, 0)
    assert stored_files(nas) == [f"staging/{second.id}"]
    assert uploads("PUT", "/u", token=token, body=ZIP).status_code == 201
    assert (now_of(second).state, now_of(second).problem) == ("aborted", "superseded")
    assert not (nas / "staging" / str(second.id)).exists() and Upload.objects.get(state="committed").slot == 0


def test_nobody_goes_on_with_the_one_that_stands_aside(uploads, control, grant_token, waiting, monkeypatch):
    token = grant_token()
    first, real, seen = waiting(token), receive._take, {}

    def meanwhile(*args):
        path = f"/u/{first.id}"
        seen["aside"] = now_of(first).stands_aside
        seen["PATCH"] = go_on(uploads, first, token).status_code
        asked = {"HTTP_X_UPLOAD_METHOD": "PATCH", "HTTP_X_UPLOAD_PATH": f"/{first.id}", "HTTP_X_UPLOAD_LENGTH": "5"}
        seen["door"] = control("GET", "/authorize", token=token, **asked)["X-Upload-Verdict"]
        for method in ("HEAD", "DELETE", "GET"):
            seen[method] = control(method, path, token=token).status_code
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(receive, "_take", meanwhile)
        patch.setattr("services_app.uploads.ownership.takeover.PATIENCE", 0.0)
        assert uploads("PUT", "/u", token=token, body=ZIP, HTTP_CONTENT_MD5=WRONG_MD5).status_code == 400
    assert seen.pop("aside") and seen.pop("door") == "upload_in_progress"
    assert seen == {"PATCH": 423, "HEAD": 423, "DELETE": 423, "GET": 200}
    assert go_on(uploads, first, token).status_code == 204


def test_where_there_is_no_room_for_both_the_older_one_goes_first(uploads, grant_token, waiting, monkeypatch, settings):
    settings.UPLOAD_SPACE_RESERVE = 0
    token = grant_token()
    first = waiting(token)
    monkeypatch.setattr(LocalFileSystemStorage, "free_bytes", lambda _: len(ZIP) - SAFE)
    assert uploads("PUT", "/u", token=token, body=ZIP, HTTP_CONTENT_MD5=WRONG_MD5).status_code == 400
    assert (now_of(first).state, now_of(first).problem) == ("aborted", "superseded")
