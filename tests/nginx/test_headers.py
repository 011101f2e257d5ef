"""Headers: what the applications get is ours or named, what the client gets is set in one place."""

import re

import pytest

from tests.nginx.rig import TOKEN, TREE, UPLOAD

FORGED = dict.fromkeys(
    """
    X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Real-IP Forwarded Via
    X-Client-Address X-Client-Cert X-SSL-Client-Verify X-Internal-Api-Key X-Internal X-Remote-User Remote-User
    X-Upload-Grant X-Upload-Id X-Upload-Binding X_Upload_Binding X-Upload-Method X-Upload-Path X-Upload-Length
    X-Upload-Coding X-Upload-Base X-Upload-Verdict X-Upload-Retrievals X-Upload-Body X-Upload-Totals
    X-Request-Id X-Accel-Redirect X-Sendfile
    X-Http-Method-Override X-Original-URL X-Rewrite-URL Script-Name Path-Info Proxy Proxy-Authorization Upgrade
    Trailer Range Accept-Encoding Keep-Alive
    """.split(),
    "forged",
)

# Under /u a method that is meant counts (test_routing.py), so there a forged one is refused.
FORGED_UPLOAD = {name: value for name, value in FORGED.items() if name != "X-Http-Method-Override"}

ALWAYS_OURS = {"host", "x-request-id", "x-client-address", "authorization"}
TO_WEB_APP = {"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "connection"}

WANTED = {
    "Accept": "text/html",
    "Accept-Language": "de",
    "Authorization": "Bearer key",
    "Content-Type": "application/json",
    "Cookie": "sessionid=1; csrftoken=2",
    "If-Modified-Since": "x",
    "If-None-Match": '"y"',
    "Origin": "https://localhost",
    "Referer": "https://localhost/",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "User-Agent": "tests",
    "X-CSRFToken": "3",
}

SECURITY = {
    "Strict-Transport-Security": "max-age=63072000",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def test_an_upload_carries_only_the_headers_that_are_named(rig):
    named = {
        "Content-Disposition": "attachment; filename*=UTF-8''r%C3%B6ntgen.zip",
        "Content-Type": "application/zip",
        "Content-Range": "bytes 0-4/5",
        "Content-Encoding": "identity",
        "Content-Digest": "sha-256=:AAAA:",
        "Repr-Digest": "sha-256=:BBBB:",
        "Upload-Length": "5",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Upload-Complete": "?0",
        "Upload-Defer-Length": "1",
        "Upload-Metadata": "filename YS56aXA=",
        "Upload-Checksum": "sha1 AAAA",
        "Upload-Concat": "partial",
    }
    cookie = "sessionid=s3cret; __Host-sluice-binding=" + "A" * 43
    # FORGED has a Range, which says of a body that it is a part.
    rig.ask("PUT", f"/u/{TOKEN}", {**FORGED_UPLOAD, **named, "Cookie": cookie, "Expect": "100-continue"}, b"12345")
    seen = rig.uploads.requests[0]
    ours = {"content-length", "connection", "x-upload-binding", "x-upload-base", "x-upload-body"}
    assert seen.names() == ALWAYS_OURS | ours | {name.lower() for name in named}
    assert {name: seen.header(name) for name in named} == named
    assert seen.header("X-Client-Address") == "127.0.0.1"
    assert seen.header("X-Upload-Binding") == "A" * 43
    assert "forged" not in str(seen.headers) and "s3cret" not in str(seen.headers)


def test_that_a_body_is_chunked_is_told_however_it_comes(rig):
    """One that is here whole already is passed on with its length."""
    head = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost:{rig.port}\r\nConnection: close\r\n"
    rig.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n".encode())
    rig.raw(f"{head}Content-Length: 5\r\nX-Upload-Coding: chunked\r\n\r\n12345".encode())
    told = [(seen.header("X-Upload-Coding"), seen.header("Content-Length")) for seen in rig.uploads.requests]
    assert told == [("chunked", "5"), (None, "5")]


def test_an_append_carries_on_what_the_answer_about_it_said_of_offset_retrievals(rig):
    rig.control.answers["/authorize"] = (204, {"X-Upload-Retrievals": "7"}, b"")
    rig.ask("PATCH", f"/u/{TOKEN}/{UPLOAD}", {"X-Upload-Retrievals": "8"}, b"12345")
    assert rig.uploads.requests[0].header("X-Upload-Retrievals") == "7"


def test_a_question_about_an_upload_carries_no_more_than_the_token_and_the_binding(rig):
    rig.ask("GET", f"/u/{TOKEN}", {**FORGED_UPLOAD, **WANTED, "Authorization": "Basic eDp5"})
    assert [seen.names() for seen in rig.control.requests] == [
        ALWAYS_OURS | {"x-upload-base", "x-upload-method", "x-upload-path", "content-type"},
        ALWAYS_OURS | {"x-upload-base"},
    ]
    assert "forged" not in str([seen.headers for seen in rig.control.requests])


FOREIGN = [
    # what a client sends, what the services tier is told: X-Upload-Body, X-Upload-Totals
    ({}, None, None),
    ({"Range": "bytes=5-"}, "part", None),
    ({"X-Content-Range": "bytes 0-1/5"}, "part", None),
    ({"X-Upload-Content-Range": "bytes 0-1/5"}, "part", None),
    ({"X-Update-Range": "append"}, "part", None),
    ({"x-ms-range": "bytes=0-511"}, "part", None),
    ({"X-Goog-Upload-Offset": "5"}, "part", None),
    ({"x-amz-write-offset-bytes": "5"}, "part", None),
    ({"x-ms-blob-condition-appendpos": "5"}, "part", None),
    ({"x-amz-copy-source": "/bucket/key"}, "part", None),
    ({"x-ms-copy-source": "https://example.org/a"}, "part", None),
    ({"x-goog-copy-source": "/bucket/key"}, "part", None),
    ({"X-Copy-From": "/container/object"}, "part", None),
    *(({f"x-{whose}-copy-source": "/bucket/key"}, "part", None) for whose in ("oss", "cos", "obs", "bce", "tos", "kss", "nos")),
    ({"x-amz-rename-source": "/bucket/key"}, "part", None),
    ({"x-ms-rename-source": "/container/a"}, "part", None),
    ({"X-Symlink-Target": "container/object"}, "part", None),
    ({"x-oss-symlink-target": "object"}, "part", None),
    ({"If-None-Match": "*"}, None, None),
    ({"If-Match": '"zzz"', "Range": "bytes=5-"}, "part", None),
    ({"If-Match": '"zzz"'}, "unmatched", None),
    ({"If": '(["zzz"])'}, "unmatched", None),
    ({"If": "(<opaquelocktoken:zzz>)"}, "unmatched", None),
    ({"X-Upyun-Multi-Stage": "upload"}, "part", None),
    ({"X-Object-Manifest": "container/prefix"}, "part", None),
    ({"OC-Chunked": "1"}, "part", None),
    ({"OC-Chunk-Offset": "0"}, "part", None),
    ({"OC-Chunk-Size": "5"}, "part", None),
    ({"Destination": "https://example.org/dav/files/a"}, "part", None),
    ({"X-Bz-Part-Number": "2"}, "part", None),
    ({"x-amz-mp-object-size": "9"}, "part", None),
    ({"x-ms-page-write": "update"}, "part", None),
    ({"X-Checksum-Deploy": "true"}, "part", None),
    ({"X-Checksum-Deploy": "false"}, None, None),
    ({"IM": "vcdiff"}, "part", None),
    ({"Delta-Base": '"a"'}, "part", None),
    ({"Upload-Incomplete": "?1"}, "part", None),
    ({"Upload-Incomplete": "true"}, "part", None),
    ({"Upload-Incomplete": "?0"}, None, None),
    ({"x-amz-decoded-content-length": "5"}, "coded", None),
    ({"x-amz-trailer": "x-amz-checksum-crc32"}, "coded", None),
    ({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, "coded", None),
    ({"X-Amz-Content-Sha256": "streaming-aws4-hmac-sha256-payload"}, "coded", None),
    ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, None, None),
    ({"x-ms-structured-body": "XSM/1.0; properties=crc64"}, "coded", None),
    ({"x-ms-structured-content-length": "5"}, "coded", None),
    ({"Content-Transfer-Encoding": "base64"}, "coded", None),
    ({"x-ms-blob-content-encoding": "gzip"}, "coded", None),
    ({"x-ms-content-encoding": "gzip"}, "coded", None),
    ({"x-ms-blob-content-encoding": "Identity", "Content-Transfer-Encoding": "8bit"}, None, None),
    ({"Content-Transfer-Encoding": "Quoted-Printable"}, "coded", None),
    ({"Content-Transfer-Encoding": "Binary"}, None, None),
    ({"X-Goog-Upload-Command": "start"}, "part", None),
    ({"OC-Total-Length": "9"}, None, "9"),
    ({"X-File-Size": "9"}, None, "9"),
    ({"x-ms-content-length": "9"}, None, "9"),
    ({"x-ms-blob-content-length": "9", "OC-Total-Length": "7"}, None, "7     9"),
    ({"X-Expected-Entity-Length": "5", "OC-Total-Length": "9", "X-Upload-Content-Length": "7"}, None, "9 5 7"),
    ({"OC-Total-Length": "many words"}, None, "?"),
]


def test_what_other_products_say_of_a_body_is_folded_into_two_headers_of_ours_for_the_question_and_with_the_body(rig):
    for method, target in (("PUT", f"/u/{TOKEN}"), ("PATCH", f"/u/{TOKEN}/{UPLOAD}"), ("POST", f"/u/{TOKEN}/check")):
        for said, body, totals in FOREIGN:
            rig.reset()
            rig.ask(method, target, said, b"12345")
            question, *asked = rig.control.requests
            for seen in (question, *asked, *rig.uploads.requests):
                told = [value and value.strip() for value in map(seen.header, ("X-Upload-Body", "X-Upload-Totals"))]
                assert told == [body, totals], said


def test_if_match_holds_of_what_is_there_alone(rig):
    """RFC 9110, 13.1.1: `*` is any version, and a creation has none."""
    for method, target, told in (("PUT", f"/u/{TOKEN}", "unmatched"), ("PATCH", f"/u/{TOKEN}/{UPLOAD}", None)):
        rig.reset()
        rig.ask(method, target, {"If-Match": "*"}, b"12345")
        assert {seen.header("X-Upload-Body") for seen in (*rig.control.requests, *rig.uploads.requests)} == {told}


def test_a_question_for_which_there_is_no_body_may_name_a_range(rig):
    rig.ask("GET", f"/u/{TOKEN}", {"Range": "bytes=5-"})
    assert [seen.header("X-Upload-Body") for seen in rig.control.requests] == [None, None]


def test_web_app_gets_the_named_headers_and_forwarding_headers_of_ours(rig):
    rig.ask("POST", "/api/v1/uploads", {**FORGED, **WANTED}, b"{}")
    seen = rig.web.requests[0]
    assert seen.names() == TO_WEB_APP | {"content-length"} | {name.lower() for name in WANTED}
    assert {name: seen.header(name) for name in WANTED} == WANTED
    assert seen.header("X-Forwarded-For") == "127.0.0.1"
    assert seen.header("X-Forwarded-Proto") == "https"
    assert seen.header("X-Forwarded-Host") == seen.header("Host") == f"localhost:{rig.port}"


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "__Host-sluice-binding=" + "A" * 42,
        "__Host-sluice-binding=" + "A" * 44,
        "__Host-sluice-binding=" + "A" * 42 + "%",
        "x__Host-sluice-binding=" + "A" * 43,
        "__Host-sluice-binding=" + "A" * 43 + "; __Host-sluice-binding=" + "B" * 43,
    ],
)
def test_a_binding_that_is_malformed_or_doubled_is_none(rig, cookie):
    rig.ask("GET", f"/u/{TOKEN}", {"Cookie": cookie} if cookie else {})
    assert [seen.header("X-Upload-Binding") for seen in rig.control.requests] == [None, None]


@pytest.mark.parametrize(
    ("header", "passed"),
    [
        ("Bearer abc.def-_~+/==", "Bearer abc.def-_~+/=="),
        ("bearer   abc", "Bearer abc"),
        ("Basic dXNlcjpwYXNz", None),
        ("Bearer", None),
        ("Bearer a b", None),
        ("Bearer a\tb", None),
        ("Digest username=x", None),
    ],
)
def test_only_a_bearer_token_passes_as_authorization(rig, header, passed):
    rig.ask("GET", "/u", {"Authorization": header})
    assert [seen.header("Authorization") for seen in rig.control.requests] == [passed, passed]


@pytest.mark.parametrize("target", ["/", "/api/v1/uploads", f"/u/{TOKEN}", f"/u/{TOKEN}?x", "/a//b"])
def test_every_answer_carries_the_security_headers_once(rig, target):
    theirs = dict.fromkeys(SECURITY, "theirs") | {
        "Cache-Control": "public",
        "X-Powered-By": "them",
        "Server": "them",
    }
    for upstream in (rig.web, rig.control):
        upstream.answers[target if upstream is rig.web else "/u"] = (200, theirs, b"{}")
    answer = rig.ask("GET", target)
    assert {name: answer.header(name) for name in SECURITY} == SECURITY
    assert answer.header("Permissions-Policy").count("=()") == len(answer.header("Permissions-Policy").split(","))
    assert answer.header("Server") == "nginx"
    assert len(answer.header("X-Request-Id")) == 32


def test_answers_that_hold_tokens_or_states_are_never_kept(rig):
    rig.web.answers["/api/v1/uploads"] = rig.control.answers["/u"] = (200, {"Cache-Control": "public"}, b"{}")
    for target in ("/api/v1/uploads", "/u", f"/u/{TOKEN}", "/u/", "/a//b"):
        assert rig.ask("GET", target).header("Cache-Control") == "no-store"


def test_pages_and_static_files_say_themselves_how_long_they_keep(rig):
    rig.web.answers["/static/app.js"] = (200, {"Cache-Control": "max-age=31536000, immutable"}, b"")
    assert rig.ask("GET", "/static/app.js").header("Cache-Control") == "max-age=31536000, immutable"
    assert rig.ask("GET", "/uploads/").header("Cache-Control") == "no-store"


def test_what_is_published_is_kept_as_long_as_it_says_itself(rig):
    for path in ("/api/v1/openapi.json", "/api/v1/receipt-keys"):
        rig.web.answers[path] = (200, {"Cache-Control": "public, max-age=300"}, b"{}")
        assert rig.ask("GET", path).header("Cache-Control") == "public, max-age=300"
        rig.web.answers[path] = (401, {"Cache-Control": "no-store"}, b"{}")
        assert rig.ask("GET", path).header("Cache-Control") == "no-store"


@pytest.mark.parametrize("path", ["/", "/static", "/api/v1/uploads", "/staticx/a.js", "/admin/static/a.js"])
def test_only_static_files_may_be_compressed_on_their_way(rig, path):
    for target, passed in ((path, None), ("/static/pages/app.js", "br, gzip")):
        rig.ask("GET", target, {"Accept-Encoding": "br, gzip"})
        assert rig.web.requests[-1].header("Accept-Encoding") == passed, target


def test_upstream_headers_cannot_steer_nginx(rig):
    rig.uploads.answers["/u"] = (
        201,
        {"X-Accel-Redirect": "/.problem/not_found", "X-Accel-Buffering": "yes", "X-Accel-Limit-Rate": "1"},
        b"stored",
    )
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    assert (answer.status, answer.body) == (201, b"stored")
    assert "x-accel" not in str(answer.headers)


def test_retry_after_of_an_application_passes_once(rig):
    rig.uploads.answers["/u"] = (503, {"Retry-After": "7"}, b"{}")
    assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").header("Retry-After") == "7"


def asking_for_a_comparison() -> list[str]:
    lines = "".join(path.read_text() for path in sorted((TREE / "snippets").glob("to-services-checks*.conf")))
    return re.findall(r"^proxy_set_header (\S+) ", lines, re.MULTILINE)


def test_every_header_that_asks_for_a_comparison_reaches_the_question_and_the_body(rig):
    names = [name for name in asking_for_a_comparison() if name != "Trailer"]
    sent = {name: f"v{at}" for at, name in enumerate(names)} | {"Trailer": "X-Amz-Checksum-Crc32, Expires"}
    rig.ask("PUT", f"/u/{TOKEN}", sent, b"12345")
    for seen in (rig.control.requests[0], rig.uploads.requests[0]):
        assert {name: seen.header(name) for name in sent} == sent
    rig.ask("PUT", f"/u/{TOKEN}", {"Trailer": "Expires"}, b"12345")
    assert rig.uploads.requests[1].header("Trailer") is None


def test_a_control_character_in_one_of_them_is_refused_at_the_door(rig):
    for name in asking_for_a_comparison():
        answer = rig.ask("PUT", f"/u/{TOKEN}", {name: "a\x01b"}, b"12345")
        assert (answer.status, answer.code(), rig.control.requests) == (400, "request_malformed", []), name
