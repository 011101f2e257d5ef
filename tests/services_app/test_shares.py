"""The control listener's threads and its time are shared by person (ADR 0026)."""

import contextlib

import pytest

from services_app.uploads import errors, render
from services_app.uploads.models import Upload
from services_app.uploads.wire import callers, shares
from services_app.uploads.wire.shares import Questions, Shares
from tests.services_app.making import announced, begun, claims_object

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]


def test_what_takes_its_time_is_shared_by_person_and_leaves_half_of_the_threads_alone(settings):
    settings.CONTROL_THREADS = 16
    of_process, taken = Shares(), errors.ShareTaken
    with contextlib.ExitStack() as held:
        for sub, may, refused in (("a", 4, taken), ("b", 2, taken), ("c", 1, taken), ("d", 1, errors.Busy)):
            for _ in range(may):
                held.enter_context(of_process.held(sub))
            with pytest.raises(refused), of_process.held(sub):
                pass
        with pytest.raises(errors.Busy), of_process.held("e"):
            pass
    assert not of_process._held


def test_a_check_and_a_wait_for_a_running_upload_need_a_share(control, grant_token, settings, monkeypatch):
    settings.CONTROL_THREADS = 4
    monkeypatch.setattr(shares.unhurried, "_held", shares.Counter({"u_42": 1}))
    running = begun(claims_object(), announced(9))
    again = grant_token(jti=str(running.grant_id))
    said = {"HTTP_UPLOAD_LENGTH": "7"}
    for answer in (
        control("POST", "/u/check", token=grant_token(), body=b"content", **said),
        control("HEAD", f"/u/{running.id}", token=again),
        control("DELETE", f"/u/{running.id}", token=again),
    ):
        assert (answer.status_code, answer["Retry-After"]) == (429, "10")
    assert control("GET", f"/u/{running.id}", token=again).json()["state"] == "receiving"
    assert control("POST", "/u/check", token=grant_token(sub="u_other"), body=b"content", **said).status_code == 204


def test_the_state_of_many_uploads_needs_a_share_and_that_of_a_few_none(control, grant_token, settings, monkeypatch):
    settings.CONTROL_THREADS = 4
    monkeypatch.setattr(shares.unhurried, "_held", shares.Counter({"u_42": 1}))
    upload = begun(claims_object(max_uploads=20), announced(9))
    token = grant_token(jti=str(upload.grant_id))
    assert control("GET", "/u", token=token).status_code == 200
    ended = {"state": "aborted", "lease_until": upload.lease_until, "received_at": upload.received_at, "expires_at": upload.expires_at}
    Upload.objects.bulk_create(Upload(grant=upload.grant, protocol="tus", **ended) for _ in range(render.FEW))
    assert [control(method, "/u", token=token).status_code for method in ("GET", "HEAD")] == [429, 429]


def test_a_person_has_so_many_questions_a_second_and_others_have_their_own(
    control, uploads, grant_token, settings, monkeypatch
):
    settings.QUESTIONS_PER_PERSON, now = 2, [1000.0]
    monkeypatch.setattr(shares.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(callers, "questions", Questions())
    token = grant_token()
    asked = [control("GET", "/u", token=token).status_code for _ in range(9)]
    assert asked == [200] * 8 + [429]
    verdict = control("GET", "/authorize", token=token, HTTP_X_UPLOAD_METHOD="PUT", HTTP_X_UPLOAD_PATH="/")
    assert verdict["X-Upload-Verdict"] == "share_taken"
    assert control("GET", "/u", token=grant_token(sub="u_other")).status_code == 200
    now[0] += 0.5
    assert [control("GET", "/u", token=token).status_code for _ in range(2)] == [200, 429]
    settings.LISTENER = "uploads"
    assert uploads("PUT", "/u", token=token, body=b"content").status_code == 201
