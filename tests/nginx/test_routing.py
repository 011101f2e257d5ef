"""Which request reaches which upstream, and which reaches none."""

import pytest

from tests.nginx.rig import TOKEN, UPLOAD

BEARER = {"Authorization": f"Bearer {TOKEN}"}
QUESTION = ("GET", "/authorize")

TAKEN = [
    # method, target, headers: listener, what it sees
    ("PUT", f"/u/{TOKEN}", {}, "uploads", "/u"),
    ("PUT", "/u", BEARER, "uploads", "/u"),
    ("PUT", "/u/not-a-token", {}, "uploads", "/u"),
    ("POST", f"/u/{TOKEN}/check", {}, "control", "/u/check"),
    ("POST", "/u/check", BEARER, "control", "/u/check"),
    ("GET", f"/u/{TOKEN}", {}, "control", "/u"),
    ("HEAD", f"/u/{TOKEN}", {}, "control", "/u"),
    ("OPTIONS", f"/u/{TOKEN}", {}, "control", "/u"),
    ("GET", "/u", BEARER, "control", "/u"),
    ("GET", f"/u/{TOKEN}/{UPLOAD}", {}, "control", f"/u/{UPLOAD}"),
    ("HEAD", f"/u/{UPLOAD}", BEARER, "control", f"/u/{UPLOAD}"),
]


@pytest.mark.parametrize(("method", "target", "headers", "listener", "path"), TAKEN)
def test_an_upload_request_reaches_its_listener_without_the_token_in_its_path(
    rig, method, target, headers, listener, path
):
    body = b"12345" if method in ("PUT", "POST") else b""
    assert rig.ask(method, target, headers, body).status == 200
    uploads = [(seen.method, seen.target) for seen in rig.uploads.requests]
    control = [(seen.method, seen.target) for seen in rig.control.requests]
    assert (uploads, control) == (
        ([(method, path)], [QUESTION]) if listener == "uploads" else ([], [QUESTION, (method, path)])
    )
    last = getattr(rig, listener).requests[-1]
    assert last.header("Authorization") == ("Bearer not-a-token" if "not-a" in target else f"Bearer {TOKEN}")
    assert bytes(last.body) == body
    assert rig.web.requests == []


@pytest.mark.parametrize(
    "target",
    [
        f"/u/{TOKEN}?",
        f"/u/{TOKEN}?a=b",
        f"/u/{TOKEN}/",
        f"/u/{TOKEN}/report.pdf",
        f"/u/{TOKEN}/{UPLOAD}/x",
        f"/u/{TOKEN}/{UPLOAD.upper()}",
        f"/u//{TOKEN}",
        f"//u/{TOKEN}",
        f"/u/./{TOKEN}",
        f"/u/{TOKEN}/../{TOKEN}",
        f"/u/{TOKEN}/..",
        f"/x/../u/{TOKEN}",
        f"/u/../api/v1/uploads?{TOKEN}",
        f"/u/{TOKEN}%2f..%2fcheck",
        f"/u%2f{TOKEN}",
        f"/%75/{TOKEN}",
        f"/u/%2e%2e/{TOKEN}",
        f"/u\\{TOKEN}",
        f"/u/{TOKEN};x=y",
        f"/u/{TOKEN}%0a",
        "/u/",
        "/u?",
        "/.body/u",
        "/.control/u",
        "/.check/u/check",
        "/.authorize",
        "/.problem/not_found",
        "/.away/draining",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_any_other_spelling_is_404_and_reaches_nobody(rig, method, target):
    answer = rig.ask(method, target, body=b"12345" if method == "PUT" else b"")
    assert (answer.status, answer.code()) == (404, "not_found")
    assert rig.uploads.requests == rig.control.requests == rig.web.requests == []


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("POST", f"/u/{TOKEN}", "PUT, GET, HEAD, OPTIONS"),
        ("PATCH", f"/u/{TOKEN}/{UPLOAD}", "GET, HEAD, OPTIONS"),
        ("PUT", f"/u/{TOKEN}/{UPLOAD}", "GET, HEAD, OPTIONS"),
        ("DELETE", f"/u/{UPLOAD}", "GET, HEAD, OPTIONS"),
        ("PUT", f"/u/{TOKEN}/check", "POST"),
        ("GET", "/u/check", "POST"),
        ("COPY", f"/u/{TOKEN}", "PUT, GET, HEAD, OPTIONS"),
        ("TRACE", f"/u/{TOKEN}", "PUT, GET, HEAD, OPTIONS"),
        ("PUT", "/", "GET, HEAD, POST, DELETE"),
        ("PATCH", "/api/v1/uploads", "GET, HEAD, POST, DELETE"),
        ("TRACE", "/", "GET, HEAD, POST, DELETE"),
    ],
)
def test_other_methods_are_405_with_what_is_allowed_and_reach_nobody(rig, method, target, allow):
    answer = rig.ask(method, target)
    assert (answer.status, answer.code(), answer.header("Allow")) == (405, "method_not_allowed", allow)
    assert rig.uploads.requests == rig.control.requests == rig.web.requests == []


def test_two_tokens_in_one_request_are_refused(rig):
    answer = rig.ask("PUT", f"/u/{TOKEN}", BEARER, b"12345")
    assert (answer.status, answer.code()) == (400, "request_malformed")
    assert rig.uploads.requests == rig.control.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "framing", [{"Content-Length": "5"}, {"Content-Length": "0005"}, {"Transfer-Encoding": "chunked"}]
)
def test_a_body_where_none_belongs_is_refused(rig, method, framing):
    body = b"5\r\n12345\r\n0\r\n\r\n" if "Transfer-Encoding" in framing else b"12345"
    answer = rig.ask(method, f"/u/{TOKEN}", framing, body)
    assert answer.status == 400
    assert rig.control.requests == []


def test_an_empty_body_declared_on_a_question_is_no_body(rig):
    assert rig.ask("GET", f"/u/{TOKEN}", {"Content-Length": "0"}).status == 200


@pytest.mark.parametrize(
    "target", ["/", "/api/v1/uploads?limit=5&before=%2F%2E%2E", "/accounts/login/?next=//x", "/static/a.b-c_d.js"]
)
def test_everything_else_goes_to_web_app_as_it_was_sent(rig, target):
    assert rig.ask("GET", target).status == 200
    assert [seen.target for seen in rig.web.requests] == [target]
    assert rig.uploads.requests == rig.control.requests == []


@pytest.mark.parametrize("target", ["/a//b", "/a/../b", "/a/./b", "/a/%2e%2e/b", "/a%2Fb", "/a%5cb", "/a\\b", "/.."])
def test_a_spelling_that_two_parsers_could_read_differently_never_reaches_web_app(rig, target):
    answer = rig.ask("GET", target)
    assert answer.status in (400, 404)
    assert rig.web.requests == []
