"""What a sender can ask afterwards: `GET /u` and `GET /u/<upload_id>`."""

import itertools

import pytest

from services_app.uploads import actions
from services_app.uploads.models import Upload
from services_app.uploads.wire.callers import verifier
from tests.services_app import making
from tests.services_app.making import a_zip, announced, begun, some_uuid

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant(grant_token, known_store):
    """(token, an upload that is receiving under it, three bytes of ten so far)"""
    token = grant_token(max_uploads=2)
    upload = begun(verifier().verify(token), announced(10, name="canary.zip"))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(b"abc"))
        actions.checkpoint(upload, offset=2, digest_state=b"of two", media_type="")
    return token, upload


def commit(upload):
    actions.begin_commit(upload, size=10, sha256="ab" * 32, media_type="application/zip")
    actions.complete(upload)


def test_a_grant_that_was_never_used_is_unused(control, grant_token, known_store):
    token = grant_token()
    answer = control("GET", "/u", token=token)
    grant = str(verifier().verify(token).jti)
    assert answer.json() == {"grant": grant, "state": "unused", "uploads": [], "earlier": 0, "problem": None}
    assert answer["X-Upload-Grant"] == grant and answer["Cache-Control"] == "no-store"


def test_a_running_upload_shows_what_was_taken_so_far(control, grant):
    token, upload = grant
    said = control("GET", f"/u/{upload.id}", token=token)
    assert said["X-Upload-Id"] == str(upload.id)
    assert said.json() == {
        "upload_id": str(upload.id),
        "state": "receiving",
        "offset": 2,
        "taken": 3,
        "length": 10,
        "sha256": None,
        "sha256_of_offset": None,
        "media_type": None,
        "received_at": actions.rfc3339(upload.received_at),
        "durable_at": None,
        "expires_at": None,
        "receipt": None,
        "folder": None,
        "standing": None,
        "problem": None,
    }
    for field in ("Upload-Offset", "Upload-Complete", "Upload-Length"):
        assert field not in said.headers  # what is under way is no offset to go on at
    assert control("GET", "/u", token=token).json()["state"] == "receiving"


def test_a_committed_upload_shows_its_receipt(control, grant):
    token, upload = grant
    commit(upload)
    said = control("GET", f"/u/{upload.id}", token=token).json()
    assert (said["state"], said["offset"], said["length"], said["receipt"]) == ("committed", 10, 10, upload.receipt)


def test_an_aborted_upload_shows_why(control, grant):
    token, upload = grant
    actions.abort(upload, "too_slow")
    said = control("GET", "/u", token=token).json()
    assert said["state"] == "aborted" and said["problem"]["code"] == "too_slow"
    assert said["uploads"][0]["problem"]["code"] == "too_slow"


def test_the_state_of_a_grant_is_the_best_of_its_uploads(control, grant):
    token, upload = grant
    commit(upload)
    newest = begun(verifier().verify(token), announced())
    said = control("GET", "/u", token=token).json()
    assert said["state"] == "committed"
    assert [one["upload_id"] for one in said["uploads"]] == [str(upload.id), str(newest.id)]


STATES = ["committed", "committing", "receiving", "waiting", "deleted", "aborted"]


@pytest.mark.parametrize(("better", "worse"), list(itertools.pairwise(STATES)))
@pytest.mark.parametrize("order", [1, -1])
def test_no_upload_hides_a_better_one(control, grant, better, worse, order):
    token, upload = grant
    newest = begun(verifier().verify(token), announced())
    for each, state in zip((upload, newest), (better, worse)[::order], strict=True):
        Upload.objects.filter(id=each.id).update(state=state, slot=None)
    assert control("GET", "/u", token=token).json()["state"] == better


@pytest.mark.usefixtures("known_store")
def test_what_waits_and_is_stored_later_is_not_hidden_by_a_new_upload_that_was_refused(uploads, control, grant_token):
    token, content = grant_token(media_types=["application/zip"]), a_zip()
    uploads("PUT", "/u", token=token, body=content[:30], CONTENT_LENGTH=str(len(content)))
    assert uploads("PUT", "/u", token=token, body=b"text, and no archive").status_code == 415
    said = control("GET", "/u", token=token).json()
    assert (said["state"], said["problem"]["code"]) == ("waiting", "type_refused")
    rest = f"bytes 30-{len(content) - 1}/{len(content)}"
    assert uploads("PUT", "/u", token=token, body=content[30:], HTTP_CONTENT_RANGE=rest).status_code == 201
    said = control("GET", "/u", token=token).json()
    assert (said["state"], said["problem"]["code"]) == ("committed", "type_refused")


def test_whoever_asks_after_a_crash_learns_the_outcome(control, grant):
    token, upload = grant
    Upload.objects.update(**making.over())
    said = control("GET", f"/u/{upload.id}", token=token)
    assert (said.json()["state"], said.json()["offset"], said.json()["taken"]) == ("waiting", 2, 2)
    assert said.json()["problem"]["code"] == "body_cut_off" and said.json()["expires_at"] > said.json()["received_at"]
    assert (said["Upload-Offset"], said["Upload-Complete"]) == ("2", "?0")


@pytest.mark.parametrize("path", ["/u", "/u/{}"])
def test_a_question_is_answered_also_while_the_nas_is_away(control, grant, nas, path):
    token, upload = grant
    Upload.objects.update(**making.over())
    nas.rename(nas.with_name("unmounted"))
    answer = control("GET", path.format(upload.id), token=token)
    assert answer.status_code == 200 and answer.json()["state"] == "receiving"


def test_no_answer_holds_the_files_name(control, grant):
    token, upload = grant
    commit(upload)
    for path in ("/u", f"/u/{upload.id}"):
        answer = control("GET", path, token=token)
        assert "canary" not in answer.content.decode() + str(answer.headers)


def test_an_upload_of_another_grant_is_unknown(control, grant, grant_token):
    _, upload = grant
    answer = control("GET", f"/u/{upload.id}", token=grant_token())
    assert (answer.status_code, answer.json()["code"]) == (404, "upload_unknown")
    assert "X-Upload-Id" not in answer.headers


def test_an_id_that_never_was_is_unknown(control, grant):
    assert control("GET", f"/u/{some_uuid()}", token=grant[0]).json()["code"] == "upload_unknown"


def test_a_renewed_token_speaks_for_its_own_upload_only(control, grant, grant_token):
    _, upload = grant
    renewed = grant_token(jti=str(upload.grant_id), upload_id=str(upload.id))
    assert control("GET", f"/u/{upload.id}", token=renewed).status_code == 200
    other = grant_token(jti=str(upload.grant_id), upload_id=str(some_uuid()))
    answer = control("GET", f"/u/{upload.id}", token=other)
    assert (answer.status_code, answer.json()["code"]) == (403, "upload_not_yours")


@pytest.mark.parametrize("path", ["/u", "/u/{}"])
def test_a_bound_token_asks_beside_its_cookie_only(control, grant, grant_token, path):
    _, upload = grant
    token = grant_token(jti=str(upload.grant_id), cnf={"cookie_sha256": "A" * 43})
    answer = control("GET", path.format(upload.id), token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_binding")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/u", "PUT, POST, GET, HEAD, OPTIONS"), ("/u/{}", "PATCH, GET, HEAD, DELETE, OPTIONS")]
)
def test_options_and_refused_methods_name_what_is_allowed(control, grant, path, allowed):
    token, upload = grant
    answer = control("OPTIONS", path.format(upload.id), token=token)
    assert (answer.status_code, answer["Allow"]) == (200, allowed)
    for method in ("PATCH", "POST", "TRACE", *(("DELETE",) if path == "/u" else ())):
        answer = control(method, path.format(upload.id), token=token)
        assert (answer.status_code, answer["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/x", "/u/", "/u/x", "/u//", "/internal", "/internal/v1/grants/x", "/admin/"])
def test_any_other_path_is_not_found_as_a_problem(control, grant_token, path):
    answer = control("GET", path, token=grant_token())
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found" and path.strip("/") not in answer.json()["detail"].split()
