"""nginx's pre-authorisation: every refusal that can be known from the headers, before a body byte is taken."""

import time

import pytest

from services_app.uploads import authorize, bounds, prune
from services_app.uploads.models import Grant, Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import stored_files, uuid7

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ID = "01890000-0000-7000-8000-000000000001"


@pytest.fixture
def ask(control):
    """A function: what nginx asks for this method, path and length; returns (status, verdict, grant)."""

    def ask(method="PUT", path="/", length="5", coding="", **more):
        answer = control(
            "GET",
            "/authorize",
            HTTP_X_UPLOAD_METHOD=method,
            HTTP_X_UPLOAD_PATH=path,
            HTTP_X_UPLOAD_LENGTH=length,
            HTTP_X_UPLOAD_CODING=coding,
            **more,
        )
        assert answer.content == b""
        return answer.status_code, answer.get("X-Upload-Verdict"), answer.get("X-Upload-Grant")

    return ask


def grant_of(token):
    from services_app.uploads.wire.callers import verifier

    return str(verifier().verify(token).jti)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/"),
        ("GET", "/"),
        ("HEAD", "/"),
        ("OPTIONS", "/"),
        ("POST", "/"),
        ("POST", "/check"),
        ("GET", f"/{ID}"),
        ("HEAD", f"/{ID}"),
        ("DELETE", f"/{ID}"),
        ("OPTIONS", f"/{ID}"),
    ],
)
def test_what_is_allowed_gets_204_and_the_grants_id_and_leaves_no_trace(ask, grant_token, method, path):
    token = grant_token()
    said = {"HTTP_UPLOAD_LENGTH": "5"} if path == "/check" else {}
    assert ask(method, path, token=token, **said) == (204, None, grant_of(token))
    assert not Grant.objects.exists() and not Upload.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/"), ("PATCH", "/"), ("", "/"), ("put", "/"), ("GET", "/check"), ("PUT", "/check"),
     ("PUT", f"/{ID}"), ("POST", f"/{ID}"), ("PUT", ""), ("TRACE", "/")],
)  # fmt: skip
def test_any_other_method_is_refused(ask, grant_token, method, path):
    assert ask(method, path, token=grant_token())[:2] == (403, "method_not_allowed")


@pytest.mark.parametrize(
    ("code", "claims", "asked"),
    [
        ("token_expired", {"exp": 5}, {}),
        ("token_not_yet_valid", {"nbf": int(time.time()) + 86400}, {}),
        ("token_issuer", {"iss": "other"}, {}),
        ("token_audience", {"aud": "other"}, {}),
        ("token_claims", {"max_size": 0}, {}),
        ("token_binding", {"cnf": {"cookie_sha256": "A" * 43}}, {}),
        ("token_start_by", {"start_by": 5}, {}),
        ("collection_unknown", {"collection": "other"}, {}),
        ("upload_not_yours", {"upload_id": ID}, {}),
        ("too_large", {"max_size": 4}, {}),
        ("length_differs", {"length": 6}, {}),
        ("length_required", {}, {"length": ""}),
        ("request_malformed", {}, {"length": "5x"}),
        ("request_malformed", {}, {"coding": "chunked"}),
        ("request_malformed", {}, {"length": "", "coding": "gzip"}),
    ],
)
def test_every_verdict_is_a_code_of_the_documented_list(ask, grant_token, code, claims, asked):
    assert ask(token=grant_token(**claims), **asked)[:2] == (403, code)


def test_a_chunked_body_is_let_through_to_be_counted_at_the_byte(ask, grant_token):
    assert ask(length="", coding="chunked", token=grant_token(max_size=4, length=4))[0] == 204


@pytest.mark.parametrize(
    ("token", "code"), [(None, "token_missing"), ("", "token_missing"), ("x.y.z", "token_malformed")]
)
def test_without_a_token_there_is_a_verdict_and_no_grant(ask, token, code):
    assert ask(token=token) == (403, code, None)


def test_refused_questions_leave_so_many_rows_of_a_person_and_no_more(ask, grant_token, monkeypatch):
    monkeypatch.setattr(bounds, "REFUSED", 3)
    for number in range(6):
        sub = "u_first" if number < 5 else "u_second"
        assert ask(length="5", token=grant_token(jti=uuid7(), sub=sub, max_size=4))[1] == "too_large"
    assert sorted(Grant.objects.values_list("sub", flat=True)) == ["u_first"] * 3 + ["u_second"]
    known = Grant.objects.filter(sub="u_first").first()
    assert ask(length="5", token=grant_token(jti=str(known.id), sub="u_first", length=6))[1] == "length_differs"
    assert Grant.objects.get(id=known.id).last_refusal == "length_differs", "of what is known already it is remembered"
    used = Grant.objects.filter(sub="u_first").last()
    Grant.objects.filter(id=used.id).update(first_used_at=used.expires_at)
    Grant.objects.update(expires_at=leases.now() - prune.NAMES_FOR * 1.1)
    prune.prune()
    assert list(Grant.objects.values_list("id", flat=True)) == [used.id]


def test_a_refusal_under_a_good_token_is_remembered_and_told_later(ask, control, grant_token):
    token = grant_token(max_size=4)
    assert ask(token=token)[1] == "too_large"
    told = control("GET", "/u", token=token).json()
    assert told["state"] == "unused" and told["problem"]["code"] == "too_large" and told["uploads"] == []


def test_a_token_that_was_used_too_late_learns_why(ask, control, grant_token):
    token = grant_token(start_by=5)
    assert ask(token=token)[1] == "token_start_by"
    assert control("GET", "/u", token=token).json()["problem"]["code"] == "token_start_by"


def test_who_has_the_url_but_not_the_cookie_cannot_write_into_the_grant(ask, grant_token):
    token = grant_token(cnf={"cookie_sha256": "A" * 43}, max_size=4)
    assert ask(token=token) == (403, "token_binding", grant_of(token))
    assert not Grant.objects.exists()


def test_full_absent_and_busy_are_verdicts(ask, grant_token, settings, nas):
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    assert ask(token=grant_token())[1] == "no_space"
    settings.UPLOAD_SPACE_RESERVE, settings.UPLOAD_MAX_CONCURRENT = 0, 0
    assert ask(token=grant_token())[1] == "busy"
    nas.rename(nas.with_name("unmounted"))
    settings.UPLOAD_MAX_CONCURRENT = 1
    assert ask(token=grant_token())[1] == "store_unavailable"


def test_a_question_without_a_body_needs_no_space_and_no_store(ask, grant_token, nas):
    nas.rename(nas.with_name("unmounted"))
    assert ask("GET", "/", token=grant_token())[0] == 204


def test_a_grant_in_use_is_a_verdict(ask, grant_token):
    from services_app.uploads import actions
    from services_app.uploads.wire.callers import verifier
    from tests.services_app.making import announced, begun

    token = grant_token()
    upload = begun(verifier().verify(token), announced())
    assert ask(token=token)[1] == "upload_in_progress"
    actions.begin_commit(upload, size=4, sha256="ab" * 32, media_type="text/plain")
    actions.complete(upload)
    assert ask(token=token)[1] == "already_committed"


def test_a_fault_of_our_own_is_a_verdict_and_is_logged(ask, grant_token, monkeypatch, caplog):
    def broken(*args):
        raise RuntimeError("canary")

    monkeypatch.setattr(authorize.policies, "may_upload", broken)
    assert ask(token=grant_token())[:2] == (403, "internal_error")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["internal error"]


def test_asking_stores_nothing(ask, grant_token, nas):
    ask(token=grant_token())
    ask(token=grant_token(max_size=1))
    assert stored_files(nas) == []


@pytest.fixture
def waiting(grant_token, known_store):
    """(token, an upload under it that waits at offset 0)"""
    from services_app.uploads.wire.callers import verifier
    from tests.services_app.making import announced, begun

    token = grant_token()
    return token, begun(verifier().verify(token), announced(), receiving=False)


def test_an_append_to_an_upload_of_ones_own_is_let_through_whatever_its_offset(ask, waiting):
    token, upload = waiting
    assert ask("PATCH", f"/{upload.id}", token=token)[:2] == (204, None)
    assert ask("PATCH", f"/{upload.id}", length="", coding="chunked", token=token)[:2] == (204, None)


@pytest.mark.parametrize(
    ("code", "claims"), [("upload_unknown", {}), ("upload_not_yours", {"upload_id": ID}), ("token_expired", {"exp": 5})]
)
def test_an_append_to_an_upload_of_another_is_a_verdict(ask, waiting, grant_token, code, claims):
    _, upload = waiting
    assert ask("PATCH", f"/{upload.id}", token=grant_token(**claims))[:2] == (403, code)


def test_an_append_to_what_has_ended_is_a_verdict(ask, waiting):
    from services_app.uploads import actions

    token, upload = waiting
    actions.abort(upload, "superseded")
    assert ask("PATCH", f"/{upload.id}", token=token)[:2] == (403, "superseded")


def test_an_append_is_admitted_like_a_put(ask, waiting, settings):
    from tests.services_app.making import announced, begun, claims_object

    token, upload = waiting
    settings.UPLOAD_MAX_CONCURRENT = 1
    begun(claims_object(), announced())
    assert ask("PATCH", f"/{upload.id}", token=token)[1] == "busy"
    settings.UPLOAD_MAX_CONCURRENT = 4
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    assert ask("PATCH", f"/{upload.id}", token=token)[1] == "no_space"
