"""What nginx refuses it refuses in the services tier's words."""

import re

import pytest

from services_app.tokens.claims import Quota
from services_app.tokens.errors import TokenRefused
from services_app.uploads.errors import (
    Busy,
    NoSpace,
    Problem,
    QuotaExceeded,
    TooLarge,
    Unauthorised,
    WrongOffset,
    table,
)
from tests.nginx.rig import GRANT, TOKEN, TREE, UPLOAD, Answer

# A wrong client certificate between our own tiers is a fault of ours, which the sender is told as such.
NEVER_TOLD = {"peer_forbidden"}
DOCS = TREE.parent / "docs" / "upload-api.md"


def documents() -> dict[str, tuple[dict, int | None]]:
    """Every code with the document and the Retry-After (seconds) of services_app/uploads/errors.py."""
    found = {}
    for cls in Problem.__subclasses__():
        causes = [Unauthorised(token) for token in TokenRefused.__subclasses__()] if cls is Unauthorised else [cls()]
        found |= {cause.code: (cause.document(), cause.retry_after) for cause in causes}
    return {code: entry for code, entry in found.items() if code not in NEVER_TOLD}


def documented() -> dict[str, int]:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCS.read_text(), re.MULTILINE)
    return {code: int(status) for code, status in rows}


def test_the_documented_list_is_the_services_tiers_list():
    assert documented() == table()


def test_nginx_maps_every_code_and_no_other():
    text = (TREE / "maps" / "problem-status.conf").read_text()
    mapped = {code: int(status) for code, status in re.findall(r"^ +(\w+) +(\d{3});", text, re.MULTILINE)}
    assert mapped.pop("default") == 500
    assert '"~^token_"            401;' in text
    mapped |= {code: 401 for code in documented() if code.startswith("token_")}
    assert mapped | {"internal_error": 500} == {c: s for c, s in documented().items() if c not in NEVER_TOLD}


@pytest.mark.parametrize("code", sorted(documents()))
def test_a_verdict_becomes_the_document_that_the_services_tier_would_send(rig, code):
    rig.refuse(code)
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"x" * 100_000)
    document, retry_after = documents()[code]
    assert answer.header("Content-Type") == "application/problem+json"
    assert (answer.status, answer.json()) == (document["status"], document)
    assert answer.header("Retry-After") == (str(retry_after) if retry_after else None)
    assert (answer.header("WWW-Authenticate") == "Bearer") == (answer.status == 401)
    assert (answer.header("Allow") is not None) == (answer.status == 405)
    assert rig.uploads.requests == [], "no byte of the body may get there"


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\n12345\r\nzz\r\n", b"5\r\n1234567\r\n"])
@pytest.mark.parametrize("code", ["already_committed", "busy", "token_expired", "too_large", "wrong_offset"])
def test_a_refusal_names_its_cause_in_all_its_members_though_the_body_is_malformed_too(rig, code, body):
    rig.refuse(code)
    answer = rig.ask("PUT", f"/u/{TOKEN}", {"Transfer-Encoding": "chunked", "Tus-Resumable": "1.0.0"}, body)
    document, retry_after = documents()[code]
    assert (answer.status, answer.json()) == (document["status"], document)
    assert answer.header("Retry-After") == (str(retry_after) if retry_after else None)
    assert (answer.header("WWW-Authenticate") == "Bearer") == (answer.status == 401)


@pytest.mark.parametrize(("code", "complete"), [("already_committed", None), ("collection_unknown", "?0"), ("busy", "?0")])
def test_a_used_up_token_is_no_upload_at_whose_offset_a_client_could_go_on(rig, code, complete):
    rig.refuse(code)
    assert rig.ask("POST", f"/u/{TOKEN}", {"Upload-Complete": "?1"}, b"12345").header("Upload-Complete") == complete


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PATCH", f"/u/{TOKEN}/{UPLOAD}", "slow_down"),
        ("PATCH", f"/u/{TOKEN}/{UPLOAD}", "too_slow"),
        ("POST", f"/u/{TOKEN}", "slow_down"),
        ("HEAD", f"/u/{TOKEN}/{UPLOAD}", "busy"),
    ],
)
def test_what_would_end_a_tus_client_for_good_is_told_as_423(rig, method, path, code):
    rig.refuse(code)
    others, tus = rig.ask(method, path), rig.ask(method, path, {"Tus-Resumable": "1.0.0"})
    assert others.status == table()[code]
    assert (tus.status, tus.header("Tus-Resumable")) == (423, "1.0.0")
    if method != "HEAD":
        assert (tus.json()["status"], tus.code()) == (423, code)


@pytest.mark.parametrize("complete", [":?1:", ":?0:", ":?1"])
def test_a_field_of_the_draft_cannot_be_made_to_look_like_a_refusal(rig, complete):
    path = f"/u/{TOKEN}/{UPLOAD}"
    rig.uploads.answers[f"/u/{UPLOAD}"] = (400, {"Upload-Complete": "?0"}, b"{}")
    answer = rig.ask("PATCH", path, {"Upload-Complete": complete}, b"12345")
    assert answer.status == 400
    assert [value for name, value in answer.headers if name.lower() == "upload-complete"] == ["?0"]


@pytest.mark.parametrize(
    "verdict", ["peer_forbidden", "made_up", "../x", "not_found x", "", None, "%6eot_found", "NOT_FOUND"]
)
def test_a_verdict_that_is_not_in_the_list_is_a_fault_of_ours(rig, verdict):
    rig.refuse(verdict)
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    assert (answer.status, answer.code()) == (500, "internal_error")
    assert rig.uploads.requests == []


ASKING = {"Expect": "100-continue", "Content-Length": str(300 << 20)}


def asked(rig, method: str, path: str, headers: dict) -> Answer:
    """The answer to a request that waits to be told to go on, and sends nothing."""
    return rig.ask(method, path, ASKING | headers)


@pytest.mark.parametrize("code", sorted(documents()))
def test_whoever_asks_before_sending_is_refused_without_being_told_to_go_on(rig, code):
    rig.refuse(code)
    answer = asked(rig, "PUT", f"/u/{TOKEN}", {})
    assert (answer.status, answer.code(), answer.interim) == (table()[code], code, 0)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", f"/u/{TOKEN}", {"Authorization": "Bearer " + TOKEN}, 400),
        ("PUT", f"/u/{TOKEN}//", {}, 404),
        ("TRACE", f"/u/{TOKEN}/check", {}, 405),
        ("POST", f"/u/{TOKEN}/check", {}, 413),
        ("POST", "/accounts/login/", {}, 413),
    ],
)
def test_what_nginx_refuses_by_itself_it_refuses_so_too(rig, method, path, headers, status):
    answer = asked(rig, method, path, headers)
    assert (answer.status, answer.interim) == (status, 0)


def test_the_offset_in_a_verdict_stands_in_the_header_and_beside_the_one_that_was_named_in_the_document(rig):
    rig.control.answers["/authorize"] = (403, {"X-Upload-Verdict": "wrong_offset", "Upload-Offset": "1000"}, b"")
    answer = rig.ask("PUT", f"/u/{TOKEN}", {"Content-Range": "Bytes 0900-4999/5000"}, b"x" * 4100)
    assert (answer.status, answer.header("Upload-Offset")) == (409, "1000")
    assert answer.json() == WrongOffset(1000, 900).document()
    for verdict, offset in (("wrong_offset", "x"), ("partial_body", "1000")):
        rig.control.answers["/authorize"] = (403, {"X-Upload-Verdict": verdict, "Upload-Offset": offset}, b"")
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"x").header("Upload-Offset") is None


def test_the_quota_in_a_verdict_stands_in_the_document_and_nothing_else_does(rig):
    headers = {"X-Upload-Verdict": "quota_exceeded", "X-Upload-Quota": "person_here objects 10000 0"}
    rig.control.answers["/authorize"] = (403, headers, b"")
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"x" * 100_000)
    assert answer.json() == QuotaExceeded(Quota("person_here", "objects", 10_000), 0).document()
    for verdict, quota in (("quota_exceeded", 'person bytes 1 0"'), ("quota_exceeded", "all bytes 1 0"), ("no_space", "person bytes 1 0")):
        rig.control.answers["/authorize"] = (403, {"X-Upload-Verdict": verdict, "X-Upload-Quota": quota}, b"")
        assert "quota" not in rig.ask("PUT", f"/u/{TOKEN}", body=b"x").json()


def test_the_bound_in_a_verdict_stands_in_the_document(rig):
    for headers, problem in (
        ({"X-Upload-Verdict": "too_large", "Upload-Limit": "max-size=1000"}, TooLarge(1000)),
        ({"X-Upload-Verdict": "too_large", "Upload-Limit": "max-size=1000, max-age=5"}, TooLarge(1000)),
        ({"X-Upload-Verdict": "no_space", "X-Upload-Left": "70"}, NoSpace(70)),
        ({"X-Upload-Verdict": "no_space", "Upload-Limit": "max-size=1000", "X-Upload-Left": "70"}, NoSpace(70)),
        ({"X-Upload-Verdict": "no_space", "X-Upload-Left": "-1"}, NoSpace()),
        ({"X-Upload-Verdict": "busy", "Upload-Limit": "max-size=1000", "X-Upload-Left": "70"}, Busy()),
    ):
        rig.control.answers["/authorize"] = (403, headers, b"")
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"x" * 100_000).json() == problem.document(), headers


def test_the_offset_of_an_application_passes_once(rig):
    rig.control.answers["/authorize"] = (204, {"Upload-Offset": "7"}, b"")
    rig.uploads.answers[f"/u/{UPLOAD}"] = (409, {"Upload-Offset": "8"}, b"{}")
    answer = rig.ask("PATCH", f"/u/{TOKEN}/{UPLOAD}", body=b"12345")
    assert [value for name, value in answer.headers if name.lower() == "upload-offset"] == ["8"]


def test_a_coded_body_is_told_which_coding_is_taken(rig):
    rig.refuse("coding_refused")
    assert rig.ask("PUT", f"/u/{TOKEN}", body=b"x").header("Accept-Encoding") == "identity"
    rig.refuse("envelope_refused")
    assert rig.ask("PUT", f"/u/{TOKEN}", body=b"x").header("Accept-Encoding") is None


def test_whoever_asks_before_sending_is_told_to_go_on_when_the_file_is_wanted(rig):
    with rig.connect() as connection:
        head = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"12345")
        assert Answer.read(connection).status == 200


@pytest.mark.parametrize("status", [200, 204, 299])
def test_only_a_yes_lets_a_body_through(rig, status):
    rig.control.answers["/authorize"] = (status, {}, b"")
    assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").status == 200


@pytest.mark.parametrize(("status", "told"), [(302, 500), (400, 500), (401, 500), (404, 500), (500, 500), (503, 503)])
def test_any_other_answer_lets_nothing_through(rig, status, told):
    rig.refuse(None, status)
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    assert answer.status == told
    assert rig.uploads.requests == []


def test_the_question_tells_what_the_request_is_about(rig):
    cookie = "sessionid=secret; __Host-sluice-binding=" + "b" * 43 + "; other=1"
    rig.ask("PUT", f"/u/{TOKEN}", {"Cookie": cookie, "X-Upload-Path": "/check"}, b"12345")
    question = rig.control.requests[0]
    assert {name: question.header(name) for name in question.names()} == {
        "host": "services.sluice.internal",
        "x-request-id": question.header("X-Request-Id"),
        "x-client-address": "127.0.0.1",
        "authorization": f"Bearer {TOKEN}",
        "x-upload-binding": "b" * 43,
        "x-upload-method": "PUT",
        "x-upload-path": "/",
        "x-upload-length": "5",
        "x-upload-base": f"https://localhost:{rig.port}/u/{TOKEN}",
    }
    assert question.size == 0


def test_the_question_about_a_chunked_body_says_so_and_is_not_chunked_itself(rig):
    assert rig.ask("PUT", f"/u/{TOKEN}", {"Transfer-Encoding": "chunked"}, b"5\r\n12345\r\n0\r\n\r\n").status == 200
    question = rig.control.requests[0]
    assert (question.header("X-Upload-Coding"), question.header("X-Upload-Length")) == ("chunked", None)
    assert (question.header("Transfer-Encoding"), question.header("Content-Length")) == (None, None)
    assert bytes(rig.uploads.requests[0].body) == b"12345"


def test_a_refusal_overtakes_a_body_that_is_still_being_sent(rig):
    """60 MiB that the client keeps pushing without looking: the answer is there all the same."""
    rig.refuse("too_large")
    for _ in range(5):
        answer = rig.ask("PUT", f"/u/{TOKEN}", body=bytes(60 << 20))
        assert (answer.status, answer.code()) == (413, "too_large")
    assert rig.uploads.requests == []


def test_the_grant_of_a_refused_request_is_logged_and_not_told(rig):
    rig.refuse("already_committed")
    before = len(rig.log_lines())
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    assert GRANT not in str(answer.headers)
    line = rig.log_lines(wait_for=before + 1)[-1]
    assert (line["grant"], line["problem"], line["status"], line["method"]) == (
        GRANT,
        "already_committed",
        "409",
        "PUT",
    )


def test_answers_of_the_applications_pass_as_they_are(rig):
    problem = b'{"code": "digest_differs"}'
    headers = {"Content-Type": "application/problem+json", "X-Upload-Id": "u1", "X-Upload-Grant": GRANT}
    rig.uploads.answers["/u"] = (422, headers, problem)
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    assert (answer.status, answer.body, answer.header("X-Upload-Id")) == (422, problem, "u1")
    assert answer.header("X-Upload-Grant") is None
    assert rig.ask("GET", "/nothing").status == 200
    rig.web.answers["/nothing"] = (404, {"Content-Type": "text/html"}, b"<p>ours</p>")
    assert rig.ask("GET", "/nothing").body == b"<p>ours</p>"


def test_a_small_body_over_its_limit_is_too_large(rig):
    for target, size in ((f"/u/{TOKEN}/check", 65537), ("/api/v1/uploads", 16385), ("/accounts/login/", 16385)):
        answer = rig.ask("POST", target, body=b"x" * size)
        assert (answer.status, answer.code()) == (413, "too_large")
        chunked = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
        assert rig.ask("POST", target, {"Transfer-Encoding": "chunked"}, chunked).status == 413
        assert rig.ask("POST", target, body=b"x" * (size - 1)).status == 200
