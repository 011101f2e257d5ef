"""`PUT /u` as nginx sends it: parse, one action, an answer."""

import base64
import contextlib
import hashlib
import io

import pytest

from services_app.uploads.content import media, receive
from services_app.uploads.models import Upload
from services_app.uploads.wire import answers
from tests.services_app.making import NGINX, Connection, a_zip, some_uuid, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip()


def refused(answer, status, code):
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    document = answer.json()
    assert (document["code"], document["status"]) == (code, status)
    assert answer["Content-Length"] == str(len(answer.content)) and answer["Cache-Control"] == "no-store"
    return document


def test_a_whole_file_is_answered_with_its_receipt(uploads, grant_token):
    answer = uploads("PUT", "/u", token=grant_token(), body=ZIP)
    upload = Upload.objects.get()
    assert answer.status_code == 201 and answer["Content-Type"] == "application/json"
    assert answer["X-Upload-Id"] == str(upload.id) and answer["X-Upload-Grant"] == str(upload.grant_id)
    assert answer["Cache-Control"] == "no-store" and answer["Content-Length"] == str(len(answer.content))
    said = answer.json()
    assert said == {
        "upload_id": str(upload.id),
        "state": "committed",
        "offset": len(ZIP),
        "taken": len(ZIP),
        "length": len(ZIP),
        "sha256": hashlib.sha256(ZIP).hexdigest(),
        "sha256_of_offset": None,
        "media_type": "application/zip",
        "received_at": said["received_at"],
        "durable_at": said["durable_at"],
        "expires_at": None,
        "receipt": upload.receipt,
        "folder": None,
        "standing": "stored",
        "problem": None,
    }
    assert said["received_at"].endswith("Z") and said["durable_at"] >= said["received_at"]


def test_a_second_put_of_a_used_up_grant_conflicts_and_stores_nothing(uploads, grant_token, nas):
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP)
    before = stored_files(nas)
    refused(uploads("PUT", "/u", token=token, body=ZIP), 409, "already_committed")
    assert stored_files(nas) == before


@pytest.mark.parametrize(
    ("status", "code", "token", "meta"),
    [
        (401, "token_missing", None, {}),
        (401, "token_malformed", "x", {}),
        (401, "token_expired", {"exp": 5}, {}),
        (401, "token_start_by", {"start_by": 5}, {}),
        (401, "token_binding", {"cnf": {"cookie_sha256": "A" * 43}}, {}),
        (403, "collection_unknown", {"collection": "other"}, {}),
        (403, "upload_not_yours", {"upload_id": "01890000-0000-7000-8000-000000000001"}, {}),
        (413, "too_large", {"max_size": 5}, {}),
        (422, "length_differs", {"length": 5}, {}),
        (400, "digest_differs", {"sha256": "ab" * 32}, {}),
        (415, "type_refused", {"media_types": ["image/*"]}, {}),
        (411, "length_required", {}, {"CONTENT_LENGTH": ""}),
        (400, "request_malformed", {}, {"CONTENT_LENGTH": "-1"}),
        (400, "request_malformed", {}, {"HTTP_TRANSFER_ENCODING": "chunked"}),
        (400, "request_malformed", {}, {"HTTP_REPR_DIGEST": "sha-256=abc"}),
    ],
)
def test_every_refusal_has_its_code_and_leaves_nothing(uploads, grant_token, nas, status, code, token, meta):
    token = grant_token(**token) if isinstance(token, dict) else token
    refused(uploads("PUT", "/u", token=token, body=ZIP, **meta), status, code)
    assert stored_files(nas) == []


def test_a_digest_that_the_sender_announces_is_compared(uploads, grant_token):
    field = f"sha-256=:{base64.b64encode(hashlib.sha256(ZIP).digest()).decode()}:"
    assert uploads("PUT", "/u", token=grant_token(), body=ZIP, HTTP_CONTENT_DIGEST=field).status_code == 201
    refused(
        uploads("PUT", "/u", token=grant_token(), body=ZIP + b"x", HTTP_CONTENT_DIGEST=field), 400, "digest_differs"
    )


def test_a_bound_token_works_beside_its_cookie(uploads, grant_token):
    binding = base64.urlsafe_b64encode(hashlib.sha256(b"c" * 43).digest()).rstrip(b"=").decode()
    token = grant_token(cnf={"cookie_sha256": binding})
    refused(uploads("PUT", "/u", token=token, body=ZIP, HTTP_X_UPLOAD_BINDING="d" * 43), 401, "token_binding")
    assert uploads("PUT", "/u", token=token, body=ZIP, HTTP_X_UPLOAD_BINDING="c" * 43).status_code == 201


def test_a_full_store_is_told_before_a_byte_is_taken(uploads, grant_token, settings):
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    refused(uploads("PUT", "/u", token=grant_token(), body=ZIP), 507, "no_space")
    assert not Upload.objects.exists()


def test_an_absent_nas_says_when_to_come_back(uploads, grant_token, nas):
    nas.rename(nas.with_name("unmounted"))
    nas.mkdir()
    answer = uploads("PUT", "/u", token=grant_token(), body=ZIP)
    refused(answer, 503, "store_unavailable")
    assert answer["Retry-After"] == "30" and list(nas.iterdir()) == []


def test_as_many_as_are_admitted(uploads, grant_token, settings):
    settings.UPLOAD_MAX_CONCURRENT = 0
    answer = uploads("PUT", "/u", token=grant_token(), body=ZIP)
    refused(answer, 503, "busy")
    assert answer["Retry-After"] == "10"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_the_uploads_listener_knows_put_and_post_of_a_grant(uploads, grant_token, method):
    answer = uploads(method, "/u", token=grant_token())
    assert answer.status_code == 405 and answer["Allow"] == "PUT, POST, GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "TRACE"])
def test_the_uploads_listener_knows_patch_of_an_upload(uploads, grant_token, method):
    answer = uploads(method, f"/u/{some_uuid()}", token=grant_token())
    assert answer.status_code == 405 and answer["Allow"] == "PATCH, GET, HEAD, DELETE, OPTIONS"


def test_a_body_that_ends_early_is_told_and_kept(uploads, grant_token, nas):
    refused(uploads("PUT", "/u", token=grant_token(), body=ZIP, CONTENT_LENGTH=str(len(ZIP) + 1)), 400, "body_cut_off")
    upload = Upload.objects.get()
    assert (upload.state, upload.offset, upload.slot) == ("waiting", len(ZIP), 0)
    assert stored_files(nas) == [f"staging/{upload.id}"]
    assert (nas / "staging" / str(upload.id)).read_bytes() == ZIP


def test_a_put_again_after_one_that_was_cut_off_supersedes_it(uploads, control, grant_token, nas):
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP, CONTENT_LENGTH=str(len(ZIP) + 1))
    first = Upload.objects.get()
    assert uploads("PUT", "/u", token=token, body=ZIP).status_code == 201
    first.refresh_from_db()
    assert (first.state, first.problem, first.slot) == ("aborted", "superseded", None)
    assert list((nas / "staging").iterdir()) == []
    assert control("HEAD", f"/u/{first.id}", token=token).status_code == 410
    assert [one["state"] for one in control("GET", "/u", token=token).json()["uploads"]] == ["aborted", "committed"]


def test_a_fault_of_our_own_is_told_without_its_text_and_logged_without_it(uploads, grant_token, monkeypatch, caplog):
    def broken(*args):
        raise RuntimeError("canary")

    monkeypatch.setattr(receive, "_take", broken)
    document = refused(uploads("PUT", "/u", token=grant_token(), body=ZIP), 500, "internal_error")
    assert "canary" not in str(document)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["internal error"]
    upload = Upload.objects.get()
    assert (upload.state, upload.problem, upload.offset) == ("waiting", "internal_error", 0)


def test_no_log_line_of_an_upload_holds_its_name_or_token(uploads, grant_token, caplog):
    caplog.set_level("DEBUG", "sluice")
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP, HTTP_CONTENT_DISPOSITION='attachment; filename="canary.zip"')
    uploads("PUT", "/u", token=token, body=ZIP, HTTP_CONTENT_DISPOSITION='attachment; filename="canary.zip"')
    lines = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records if "sluice" in record.name)
    assert "committed" in lines and "canary" not in lines and token not in lines
    assert Upload.objects.get().safe_name == "canary.zip"


def test_after_a_refusal_the_rest_of_the_body_is_read_until_nginx_hangs_up(uploads, grant_token):
    connection = Connection(NGINX)
    uploads("PUT", "/u", token=grant_token(max_size=5), body=ZIP, CONTENT_LENGTH=str(2 << 20), peer=connection)
    assert connection.received == 1
    assert 0 < connection.timeouts[-1] <= answers._DRAIN_FOR


def test_after_a_refusal_in_the_middle_of_a_body_the_rest_is_read_as_well(uploads, grant_token, monkeypatch):
    connection = Connection(NGINX)
    monkeypatch.setattr(receive, "BUFFER_BYTES", media.SNIFF_BYTES)
    body = b"%PDF-1.7\n" + bytes(2 << 20)
    answer = uploads("PUT", "/u", token=grant_token(media_types=["image/*"]), body=body, peer=connection)
    refused(answer, 415, "type_refused")
    assert connection.received == 1


@pytest.mark.parametrize("rest", [b"", bytes(2 << 20)])
def test_what_a_refused_file_was_taken_for_is_told_in_the_answer_the_state_and_the_log(
    uploads, control, grant_token, caplog, rest
):
    token = grant_token(media_types=["application/zip", "text/*"])
    document = refused(uploads("PUT", "/u", token=token, body=b"%PDF-1.7\n" + rest), 415, "type_refused")
    assert document["detected"] == "application/pdf"
    state = control("GET", "/u", token=token).json()
    assert state["problem"] == document and state["uploads"][0]["problem"] == document
    assert state["uploads"][0]["media_type"] == "application/pdf"
    told = [getattr(record, "media_type", None) for record in caplog.records if record.message == "type refused"]
    assert told == ["application/pdf"]


def test_what_has_arrived_of_an_unfinished_file_says_what_it_is(uploads, control, grant_token):
    token, rows = grant_token(), b"PATIENT,AGE\n" * 6000
    refused(uploads("PUT", "/u", token=token, body=rows, CONTENT_LENGTH=str(len(rows) + 9)), 400, "body_cut_off")
    (upload,) = control("GET", "/u", token=token).json()["uploads"]
    assert (upload["state"], upload["media_type"]) == ("waiting", "text/csv")


def test_what_a_stored_file_was_taken_for_is_logged(uploads, grant_token, caplog):
    caplog.set_level("INFO", "sluice.uploads")
    uploads("PUT", "/u", token=grant_token(), body=b"PATIENT_ID,VISIT\nP1,2\n")
    assert [record.media_type for record in caplog.records if record.message == "committed"] == ["text/csv"]


def test_what_is_left_of_a_short_body_is_read_before_the_refusal(uploads, grant_token):
    """So that nginx may keep its client's connection, as its answer says it does."""
    connection, rest = Connection(NGINX), io.BytesIO(ZIP)
    meta = {"CONTENT_LENGTH": str(len(ZIP)), "wsgi.input": rest}
    refused(uploads("PUT", "/u", token=grant_token(max_size=5), peer=connection, **meta), 413, "too_large")
    assert rest.read() == b"" and connection.received == 0
    assert connection.timeouts[-1] == answers._SHORTLY


def test_a_body_whose_framing_is_malformed_is_read_after_the_refusal(uploads, grant_token):
    connection = Connection(NGINX)
    answer = uploads("PUT", "/u", token=grant_token(), body=ZIP, CONTENT_LENGTH="12x", peer=connection)
    refused(answer, 400, "request_malformed")
    assert connection.received == 1


def test_a_body_that_was_read_to_its_end_is_not_waited_for(uploads, grant_token):
    connection = Connection(NGINX)
    refused(uploads("PUT", "/u", token=grant_token(sha256="ab" * 32), body=ZIP, peer=connection), 400, "digest_differs")
    assert connection.received == 0


def test_a_request_without_a_body_is_not_waited_for(uploads, grant_token):
    connection = Connection(NGINX)
    uploads("GET", "/u", token=grant_token(), peer=connection)
    uploads("PUT", "/u", peer=connection, CONTENT_LENGTH="0")
    assert connection.received == 0


def test_draining_ends_with_the_connection_or_the_time(monkeypatch):
    class Endless:
        def __init__(self):
            self.reads = 0

        def settimeout(self, seconds):
            assert seconds > 0

        def recv_into(self, scratch):
            self.reads += 1
            clock[0] += 1
            return len(scratch)

    clock, endless = [0.0], Endless()
    monkeypatch.setattr(answers.time, "monotonic", lambda: clock[0])
    answers.DrainingResponse(b"", environ={"gunicorn.socket": endless}).close()
    assert endless.reads == answers._DRAIN_FOR

    class Broken(Endless):
        def recv_into(self, scratch):
            raise ConnectionResetError

    answers.DrainingResponse(b"", environ={"gunicorn.socket": Broken()}).close()
    answers.DrainingResponse(b"", environ={}).close()


def test_one_person_who_is_refused_without_end_is_read_out_briefly_and_the_others_as_before():
    def seconds(person):
        with answers._draining.one(person) as most:
            return most

    with contextlib.ExitStack() as held:
        for _ in range(answers._PATIENT_WITH_ONE):
            assert held.enter_context(answers._draining.one("u_greedy")) == answers._DRAIN_FOR
        assert (seconds("u_greedy"), seconds("u_other")) == (answers._DRAIN_BRIEFLY, answers._DRAIN_FOR)
        for number in range(answers._PATIENT - answers._PATIENT_WITH_ONE):
            held.enter_context(answers._draining.one(f"u_{number}"))
        assert seconds("u_other") == answers._DRAIN_BRIEFLY
    assert seconds("u_greedy") == answers._DRAIN_FOR and not answers._draining._persons


def test_nothing_is_read_before_nginx_had_time_to_see_the_answer(monkeypatch):
    order = []
    connection = Connection(NGINX)
    monkeypatch.setattr(answers, "_SETTLE", 0.1)
    monkeypatch.setattr(answers.time, "sleep", lambda seconds: order.append(("wait", seconds)))
    monkeypatch.setattr(connection, "recv_into", lambda _: order.append("read") or 0)
    answers.DrainingResponse(b"", environ={"gunicorn.socket": connection}).close()
    assert order == [("wait", 0.1), "read"]
