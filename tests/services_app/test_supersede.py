"""A new upload under a used slot: the one that waits there stands aside, and is gone only once the new one cannot be refused."""

import base64
import hashlib

import pytest

from services_app.ledger import verify
from services_app.store.errors import StoreFull
from services_app.store.nas import LocalFileSystemStorage
from services_app.store.staged import StagedFile
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


def is_as_before(upload, nas):
    upload = now_of(upload)
    assert (upload.state, upload.offset, upload.slot, upload.problem) == ("waiting", SAFE, 0, "body_cut_off")
    assert stored_files(nas) == [f"staging/{upload.id}"]


@pytest.mark.parametrize(
    ("body", "meta"),
    [
        (ZIP, {"HTTP_CONTENT_MD5": WRONG_MD5}),
        (b"text, and no archive" * 100, {}),
        (b"--bound\r\nContent-Disposition: form-data; name=file\r\n\r\nx" * 50, {}),
        (ZIP, {}),  # also one that would be taken
    ],
)
def test_where_there_is_no_room_for_both_the_one_that_waits_stays(uploads, grant_token, waiting, nas, monkeypatch, body, meta):
    """Nobody knows of a new one whether it will be accepted; what waits is promised. Who wants the new one deletes the old one."""
    token = grant_token(media_types=["application/zip"])
    first = waiting(token)
    monkeypatch.setattr(LocalFileSystemStorage, "free_bytes", lambda _: len(ZIP) - SAFE)
    refused = uploads("PUT", "/u", token=token, body=body, **meta)
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space") and "DELETE" in refused.json()["detail"]
    is_as_before(first, nas)
    assert go_on(uploads, first, token).status_code == 204


@pytest.mark.parametrize("promised", [0, 40])
def test_nor_does_it_go_when_the_store_turns_out_to_be_full(uploads, grant_token, waiting, nas, monkeypatch, promised):
    """Of unknown length, also where a checkpoint had promised some of the new one already."""
    token, real = grant_token(), StagedFile.write
    first = waiting(token)
    monkeypatch.setattr(receive, "BUFFER_BYTES", 40)
    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0.0)

    def write(staged, data):
        if staged.size >= promised:
            raise StoreFull
        real(staged, data)

    with monkeypatch.context() as patch:
        patch.setattr(StagedFile, "write", write)
        refused = uploads("PUT", "/u", token=token, body=ZIP, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    is_as_before(first, nas)
    assert go_on(uploads, first, token).status_code == 204


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
DRAFT = {"HTTP_UPLOAD_COMPLETE": "?1"}


@pytest.mark.parametrize(
    ("method", "meta"),
    [
        ("PUT", CHUNKED),  # false | curl -T - URL
        ("PUT", {"CONTENT_LENGTH": "0"}),
        ("POST", DRAFT | CHUNKED),
        ("POST", DRAFT | {"CONTENT_LENGTH": "0"}),
        ("POST", {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_LENGTH": "0"}),
    ],
)
def test_a_body_of_nothing_takes_no_place_of_promised_bytes(uploads, grant_token, waiting, nas, method, meta):
    token = grant_token()
    first = waiting(token)
    refused = uploads(method, "/u", token=token, body=b"", **meta)
    assert (refused.status_code, refused.json()["code"]) == (400, "body_cut_off")
    assert "curl -C OFFSET" in refused.json()["detail"] and "DELETE" in refused.json()["detail"]
    is_as_before(first, nas)
    assert go_on(uploads, first, token).status_code == 204


def test_where_nothing_waits_a_body_of_nothing_is_a_file(uploads, grant_token):
    assert uploads("PUT", "/u", token=grant_token(), body=b"", **CHUNKED).json()["length"] == 0


@pytest.mark.parametrize("fields", [TUS | {"HTTP_UPLOAD_LENGTH": "3000"}, {"HTTP_UPLOAD_COMPLETE": "?0"}], ids=["tus", "draft"])
def test_a_creation_whose_body_brings_nothing_is_told_so(uploads, grant_token, waiting, fields):
    token = grant_token()
    upload = waiting(token)
    refused = uploads("POST", "/u", token=token, body=b"", HTTP_TRANSFER_ENCODING="chunked", **fields)
    assert (refused.status_code, refused.json()["code"]) == (400, "body_cut_off")
    assert go_on(uploads, upload, token).status_code == 204
    assert now_of(upload).state == "committed"


def test_nothing_put_together_displaces_no_promised_byte(uploads, grant_token, waiting):
    token = grant_token()
    upload = waiting(token)
    part = uploads("POST", "/u", token=token, HTTP_UPLOAD_CONCAT="partial", HTTP_UPLOAD_LENGTH="0", HTTP_TUS_RESUMABLE="1.0.0")
    assert part.status_code == 201
    final = f"final;{part['Location']}"
    refused = uploads("POST", "/u", token=token, HTTP_UPLOAD_CONCAT=final, HTTP_TUS_RESUMABLE="1.0.0")
    assert (refused.status_code, refused.json()["code"]) == (400, "body_cut_off")
    assert go_on(uploads, upload, token).status_code == 204


@pytest.mark.parametrize("length", ["0", "3000"])
def test_a_creation_without_a_body_is_taken_again_when_its_answer_was_lost_also_of_an_empty_file(uploads, grant_token, length):
    token, fields = grant_token(), {"HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_LENGTH": length}
    first, second = (uploads("POST", "/u", token=token, body=b"", **fields) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    body = bytes(int(length))
    meta = {"CONTENT_TYPE": "application/partial-upload", "HTTP_UPLOAD_OFFSET": "0", "HTTP_UPLOAD_COMPLETE": "?1"}
    ended = uploads("PATCH", f"/u/{second['X-Upload-Id']}", token=token, body=body, **meta)
    assert (ended.status_code, ended.json()["length"]) == (201, len(body))
