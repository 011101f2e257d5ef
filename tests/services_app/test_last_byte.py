"""An offset that equals the length means to a sender that all is done: it is told only of what is stored."""

import io
from functools import partial

import pytest
from gunicorn.http.errors import ChunkMissingTerminator

from services_app.uploads import actions, errors, policies, recover
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import takeover, writers
from tests.services_app import making
from tests.services_app.making import a_zip, announced, begun, claims_object, now_of, request_body, stored_files
from tests.services_app.test_resume import TUS, ietf
from tests.services_app.test_resume import is_stored as is_stored_as

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip(b"every byte of it")
FIRST = 50  # bytes that are promised already
is_stored = partial(is_stored_as, content=ZIP)
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}


class Unended(io.BytesIO):
    """A chunked body whose last chunk never comes."""

    def __init__(self, content, fault=ChunkMissingTerminator):
        super().__init__(content)
        self.fault = fault

    def read(self, size=-1):
        if data := super().read(size):
            return data
        raise self.fault(b"") if self.fault is ChunkMissingTerminator else self.fault


def unended(content, fault=ChunkMissingTerminator):
    return CHUNKED | {"wsgi.input": Unended(content, fault)}


@pytest.fixture
def cut(uploads, grant_token):
    """(token, the upload that a PUT left of which FIRST bytes came)"""
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP[:FIRST], CONTENT_LENGTH=str(len(ZIP)))
    return token, Upload.objects.get()


@pytest.fixture
def whole(cut, known_store):
    """The same with all its bytes promised and nobody sending, as older versions left it."""
    token, upload = cut
    with known_store.stage(upload.id, FIRST) as staged:
        staged.write(ZIP[FIRST:])
        staged.checkpoint()
    Upload.objects.update(offset=len(ZIP), digest_state=None)
    return token, now_of(upload)


@pytest.mark.parametrize("fault", [ChunkMissingTerminator, errors.TooSlow(), errors.DeadlinePassed(), OSError()], ids=str)
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("PATCH", TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST)}),
        ("PATCH", ietf(False) | {"HTTP_UPLOAD_OFFSET": str(FIRST)}),
        ("PUT", {"HTTP_CONTENT_RANGE": f"bytes {FIRST}-{len(ZIP) - 1}/{len(ZIP)}"}),
    ],
    ids=["tus", "draft", "rest"],
)
def test_what_is_cut_off_behind_the_last_byte_is_stored(cut, uploads, known_store, fault, method, fields):
    token, upload = cut
    path = f"/u/{upload.id}" if method == "PATCH" else "/u"
    answer = uploads(method, path, token=token, **fields, **unended(ZIP[FIRST:], fault))
    assert answer.status_code in (201, 204), answer.content
    is_stored(upload, known_store)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("PUT", {"HTTP_UPLOAD_LENGTH": str(len(ZIP))}),
        ("POST", TUS | {"HTTP_UPLOAD_LENGTH": str(len(ZIP))}),
    ],
)
def test_so_is_a_new_upload(uploads, grant_token, known_store, method, fields):
    assert uploads(method, "/u", token=grant_token(), **fields, **unended(ZIP)).status_code == 201
    is_stored(Upload.objects.get(), known_store)


def test_what_is_to_be_compared_is_not_stored_before_it_was(cut, uploads, control):
    """A digest is of the whole body, and of that the end did not come."""
    token, upload = cut
    fields = TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST), "HTTP_CONTENT_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, **fields, **unended(ZIP[FIRST:])).status_code == 400
    assert control("HEAD", f"/u/{upload.id}", token=token)["Upload-Offset"] == str(FIRST)


def test_a_draft_is_complete_when_its_sender_says_so(uploads, control, grant_token, known_store):
    token, draft = grant_token(), ietf(True) | {"CONTENT_TYPE": "application/octet-stream"}
    uploads("POST", "/u", token=token, HTTP_UPLOAD_LENGTH=str(len(ZIP)), **draft, **unended(ZIP))
    upload = Upload.objects.get()
    head = control("HEAD", f"/u/{upload.id}", token=token)
    assert (head["Upload-Offset"], head["Upload-Complete"]) == (str(len(ZIP)), "?0")
    # tus knows no other end than the length, so who speaks tus is told of it only once it is stored.
    told = control("HEAD", f"/u/{upload.id}", token=token, HTTP_TUS_RESUMABLE="1.0.0")
    assert (told.status_code, told["Upload-Offset"]) == (200, str(len(ZIP)))
    is_stored(upload, known_store)


def test_an_upload_of_the_draft_that_tus_brings_to_its_length_is_stored(uploads, grant_token, known_store):
    token = grant_token()
    uploads("POST", "/u", token=token, body=ZIP[:FIRST], HTTP_UPLOAD_COMPLETE="?0", HTTP_UPLOAD_LENGTH=str(len(ZIP)))
    upload = Upload.objects.get()
    fields = TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST)}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[FIRST:], **fields).status_code == 204
    is_stored(upload, known_store)


@pytest.mark.parametrize("buffers", [1, 3])
def test_bytes_beyond_the_length_are_no_receipt_and_the_last_promised_offset_stays_below_the_length(
    cut, uploads, control, known_store, monkeypatch, buffers
):
    """The sender says that the file is longer than announced, so what came may be another one's."""
    monkeypatch.setattr(receive, "BUFFER_BYTES", (len(ZIP) - FIRST) // buffers)
    token, upload = cut
    path, fields = f"/u/{upload.id}", TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST)}
    answer = uploads("PATCH", path, token=token, body=ZIP[FIRST:] + b"surplus", CONTENT_LENGTH="", **fields, **CHUNKED)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    stands = int(control("HEAD", path, token=token)["Upload-Offset"])
    assert FIRST <= stands < len(ZIP) and now_of(upload).state == "waiting"
    fields["HTTP_UPLOAD_OFFSET"] = str(stands)
    assert uploads("PATCH", path, token=token, body=ZIP[stands:], **fields).status_code == 204
    is_stored(upload, known_store)


def test_a_takeover_while_the_last_buffer_is_read_comes_too_late(cut, known_store, monkeypatch):
    upload = takeover.seize(cut[1])
    body = request_body(ZIP[FIRST:])
    real = body.fill

    def fill(buffer):
        takeover._raise_hand(upload.id)
        writers.stop(upload.id, now_of(upload).contender)
        return real(buffer)

    body.fill = fill
    receive.receive(upload, body, claims_object(), receive.Append(final=True))
    is_stored(upload, known_store)


@pytest.mark.parametrize("protocol", ["tus", "ietf"])
def test_an_older_request_whose_body_is_all_there_ends_as_it_would_have(known_store, protocol):
    upload, body = begun(claims_object(), announced(len(ZIP), protocol=protocol)), request_body(ZIP)
    real = body.fill
    body.fill = lambda buffer: (writers.stop(upload.id, upload.generation + 1), real(buffer))[1]
    receive.receive(upload, body, claims_object(), receive.Append(final=True))
    is_stored(upload, known_store)


def test_on_the_way_the_last_byte_is_not_promised_before_the_commit_begins(monkeypatch):
    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(receive, "BUFFER_BYTES", 40)
    promised = []
    real = actions.checkpoint
    monkeypatch.setattr(actions, "checkpoint", lambda upload, **safe: (promised.append(safe["offset"]), real(upload, **safe)))
    making.received(request_body(ZIP), claims_object(), announced(len(ZIP)))
    assert promised and max(promised) < len(ZIP)


ASKED = [
    ("HEAD", "/u/{}", {"HTTP_TUS_RESUMABLE": "1.0.0"}, 200),
    ("HEAD", "/u/{}", {}, 200),
    ("GET", "/u/{}", {}, 200),
    ("GET", "/u", {}, 200),
    (
        "GET",
        "/authorize",
        {
            "HTTP_X_UPLOAD_METHOD": "PUT",
            "HTTP_X_UPLOAD_PATH": "/",
            "HTTP_X_UPLOAD_LENGTH": "1",
            "HTTP_CONTENT_RANGE": f"bytes {len(ZIP) - 1}-{len(ZIP) - 1}/{len(ZIP)}",
        },
        403,
    ),
]


@pytest.mark.parametrize(("method", "path", "fields", "status"), ASKED)
@pytest.mark.parametrize("killed", [False, True])
def test_whoever_asks_brings_what_is_whole_to_its_commit(whole, control, known_store, method, path, fields, status, killed):
    token, upload = whole
    if killed:
        Upload.objects.update(state="receiving")
        making.abandon(upload)
    fields = {name: value.format(upload.id) for name, value in fields.items()}
    answer = control(method, path.format(upload.id), token=token, **fields)
    assert answer.status_code == status
    assert answer.get("X-Upload-Verdict", "already_committed") == "already_committed"
    is_stored(upload, known_store)


@pytest.mark.parametrize(("offset", "body", "status"), [(len(ZIP), b"", 204), (FIRST, ZIP[FIRST:], 409)])
def test_so_does_an_append(whole, uploads, known_store, offset, body, status):
    token, upload = whole
    fields = TUS | {"HTTP_UPLOAD_OFFSET": str(offset)}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=body, **fields).status_code == status
    is_stored(upload, known_store)


def test_a_new_upload_does_not_take_the_place_of_one_that_is_whole(whole, uploads, known_store):
    token, upload = whole
    answer = uploads("PUT", "/u", token=token, body=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_committed")
    is_stored(upload, known_store)


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/u/{}"), ("GET", "/u/{}"), ("GET", "/u")])
def test_one_that_stands_aside_is_left_alone(whole, control, method, path):
    token, upload = whole
    Upload.objects.update(slot=None)
    answer = control(method, path.format(upload.id), token=token)
    assert answer.status_code == (423 if method == "HEAD" else 200) and now_of(upload).state == "waiting"


def test_one_that_is_whole_and_not_what_was_announced_ends(whole, control, grant_token, nas):
    token, upload = whole
    Upload.objects.update(expected_sha256="ab" * 32)
    answer = control("HEAD", f"/u/{upload.id}", token=token)
    assert answer.status_code == 410
    assert (now_of(upload).state, now_of(upload).problem) == ("aborted", "digest_differs") and stored_files(nas) == []


def test_while_it_cannot_be_stored_nobody_is_told_that_all_is_there(whole, control, known_store, monkeypatch):
    token, upload = whole
    with monkeypatch.context() as patch:
        patch.setattr(type(known_store), "publish", lambda *_: (_ for _ in ()).throw(OSError()))
        patch.setattr(takeover, "PATIENCE", 0.0)
        answer = control("HEAD", f"/u/{upload.id}", token=token)
        assert answer.status_code >= 400 and "Upload-Offset" not in answer
    making.abandon(upload)
    recover.settle_stale_uploads_of(upload.grant_id)
    is_stored(upload, known_store)


def test_who_goes_on_elsewhere_is_not_told_that_all_is_there_while_it_is_being_received(known_store):
    claims = claims_object()
    upload = begun(claims, announced(len(ZIP)))
    with known_store.stage(upload.id, 0) as staged:
        staged.write(ZIP)
    with pytest.raises(errors.UploadInProgress):
        policies.upload_of_rest(claims, len(ZIP), 3)


def test_a_part_of_a_concatenation_waits_with_all_its_bytes(uploads, control, grant_token):
    token = grant_token()
    uploads("POST", "/u", token=token, body=ZIP, HTTP_UPLOAD_LENGTH=str(len(ZIP)), HTTP_UPLOAD_CONCAT="partial", **TUS)
    part = Upload.objects.get()
    assert control("HEAD", f"/u/{part.id}", token=token, HTTP_TUS_RESUMABLE="1.0.0")["Upload-Offset"] == str(len(ZIP))
    assert now_of(part).state == "waiting"


def test_a_put_whose_length_the_token_alone_says_is_stored_though_cut_off_behind_its_last_byte(uploads, grant_token, known_store):
    answer = uploads("PUT", "/u", token=grant_token(length=len(ZIP)), **unended(ZIP))
    assert answer.status_code == 201, answer.content
    is_stored(Upload.objects.get(), known_store)
