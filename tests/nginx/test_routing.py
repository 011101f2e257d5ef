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
    ("POST", f"/u/{TOKEN}", {}, "uploads", "/u"),
    ("POST", "/u", BEARER, "uploads", "/u"),
    ("PATCH", f"/u/{TOKEN}/{UPLOAD}", {}, "uploads", f"/u/{UPLOAD}"),
    ("PATCH", f"/u/{UPLOAD}", BEARER, "uploads", f"/u/{UPLOAD}"),
    ("DELETE", f"/u/{TOKEN}/{UPLOAD}", {}, "control", f"/u/{UPLOAD}"),
    ("DELETE", f"/u/{UPLOAD}", BEARER, "control", f"/u/{UPLOAD}"),
    ("OPTIONS", f"/u/{UPLOAD}", BEARER, "control", f"/u/{UPLOAD}"),
    ("POST", f"/u/{TOKEN}/check", {}, "control", "/u/check"),
    ("POST", "/u/check", BEARER, "control", "/u/check"),
    ("GET", "/u/names", BEARER, "control", "/u/names"),
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
    body = b"12345" if method in ("PUT", "POST", "PATCH") else b""
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
        f"/u/{TOKEN}/{UPLOAD}/x",
        f"/u/{TOKEN}/{UPLOAD.upper()}",
        "/u/names?a=b",
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
        "/u?",
        "/.body/u",
        "/.control/u",
        "/.check/u/check",
        "/.authorize",
        "/.problem/not_found",
        "/.refuse/not_found",
        "/.away/draining",
        "/.away/web_busy",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_any_other_spelling_is_404_and_reaches_nobody(rig, method, target):
    answer = rig.ask(method, target, body=b"12345" if method == "PUT" else b"")
    assert (answer.status, answer.code()) == (404, "not_found")
    assert rig.uploads.requests == rig.control.requests == rig.web.requests == []


@pytest.mark.parametrize("target", [f"/u/{TOKEN}/names", "/u/names/", f"/u/names/{TOKEN}", f"/u/names?{TOKEN}"])
def test_a_token_for_names_stands_in_no_url(rig, target):
    for method in ("GET", "POST"):
        answer = rig.ask(method, target, BEARER if target == "/u/names/" else {})
        assert answer.status == 404 and rig.control.requests == [], method


def test_a_file_name_or_nothing_behind_a_slash_is_404_and_says_so_to_whoever_sends_a_body(rig):
    """`curl -T FILE https://…/u/` puts the name there."""
    names = ("", "scan.zip", "a.tar.gz", "r%C3%B6ntgen.zip", "two%20words", "R~1.dcm", "...", "(1).zip", "%2e")
    targets = [(f"/u/{TOKEN}/{name}", {}) for name in (*names, "Makefile")]
    targets += [(f"/u/{name}", headers) for name in names for headers in ({}, BEARER)] + [("/u/Makefile", BEARER)]
    for target, headers in targets:
        for method, code in (("PUT", "trailing_slash"), ("POST", "trailing_slash"), ("GET", None)):
            answer = rig.ask(method, target, headers, b"12345" if code else b"")
            if code:
                assert (answer.status, answer.code()) == (404, code), target
                assert rig.uploads.requests == rig.control.requests == rig.web.requests == []
            else:
                assert answer.code() != "trailing_slash"
                rig.reset()


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PATCH", f"/u/{TOKEN}", "PUT, POST, GET, HEAD, OPTIONS"),
        ("DELETE", "/u", "PUT, POST, GET, HEAD, OPTIONS"),
        ("PUT", f"/u/{TOKEN}/{UPLOAD}", "PATCH, GET, HEAD, DELETE, OPTIONS"),
        ("POST", f"/u/{UPLOAD}", "PATCH, GET, HEAD, DELETE, OPTIONS"),
        ("PUT", f"/u/{TOKEN}/check", "POST"),
        ("PATCH", f"/u/{TOKEN}/check", "POST"),
        ("DELETE", "/u/check", "POST"),
        ("GET", "/u/check", "POST"),
        *[(method, "/u/names", "GET") for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH")],
        ("COPY", f"/u/{TOKEN}", "PUT, POST, GET, HEAD, OPTIONS"),
        ("TRACE", f"/u/{TOKEN}", "PUT, POST, GET, HEAD, OPTIONS"),
        ("TRACE", f"/u/{UPLOAD}", "PATCH, GET, HEAD, DELETE, OPTIONS"),
        ("PUT", "/", "GET, HEAD, POST"),
        ("PATCH", "/api/v1/uploads", "GET, HEAD, POST"),
        ("PUT", f"/api/v1/uploads/{UPLOAD}", "GET, HEAD, DELETE"),
        ("OPTIONS", "/api/v1/whoami", "GET, HEAD"),
        ("TRACE", "/", "GET, HEAD, POST"),
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


OVERRIDE = "X-HTTP-Method-Override"


@pytest.mark.parametrize("meant", ["PATCH", "patch"])
def test_a_client_that_knows_post_alone_can_say_what_it_means(rig, meant):
    assert rig.ask("POST", f"/u/{UPLOAD}", {**BEARER, OVERRIDE: meant}, b"12345").status == 200
    question, (seen,) = rig.control.requests[0], rig.uploads.requests
    assert (seen.method, seen.target, bytes(seen.body)) == ("PATCH", f"/u/{UPLOAD}", b"12345")
    assert question.header("X-Upload-Method") == "PATCH" and seen.header(OVERRIDE) is None


@pytest.mark.parametrize("meant", ["DELETE", "HEAD", "delete", "head"])
def test_a_question_may_be_meant_as_well_and_has_no_body(rig, meant):
    assert rig.ask("POST", f"/u/{UPLOAD}", {**BEARER, OVERRIDE: meant, "Content-Length": "0"}).status == 200
    assert [(seen.method, seen.target) for seen in rig.control.requests] == [QUESTION, (meant.upper(), f"/u/{UPLOAD}")]
    answer = rig.ask("POST", f"/u/{UPLOAD}", {**BEARER, OVERRIDE: meant}, b"12345")
    assert answer.status == 400 and len(rig.control.requests) == 2


@pytest.mark.parametrize("meant", ["TRACE", "CONNECT", "COPY", "PATCH, DELETE", "PATCH x", "-", "PA TCH"])
def test_a_method_that_is_none_of_ours_is_405_however_it_is_said(rig, meant):
    answer = rig.ask("POST", f"/u/{UPLOAD}", {**BEARER, OVERRIDE: meant})
    assert (answer.status, answer.code()) == (405, "method_not_allowed")
    assert rig.uploads.requests == rig.control.requests == rig.web.requests == []


def test_an_override_changes_nothing_for_web_app(rig):
    assert rig.ask("GET", "/api/v1/uploads", {OVERRIDE: "DELETE"}).status == 200
    (seen,) = rig.web.requests
    assert seen.method == "GET" and seen.header(OVERRIDE) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "framing", [{"Content-Length": "5"}, {"Content-Length": "0005"}, {"Transfer-Encoding": "chunked"}]
)
def test_a_body_where_none_belongs_is_refused(rig, method, framing):
    body = b"5\r\n12345\r\n0\r\n\r\n" if "Transfer-Encoding" in framing else b"12345"
    answer = rig.ask(method, f"/u/{TOKEN}/{UPLOAD}", framing, body)
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
