"""What nginx writes down of an upload is enough to find it again and useless to a thief."""

import contextlib
import socket
import time

import pytest

from tests.nginx.rig import GRANT, TOKEN, TREE, UPLOAD, Rig, altered
from tests.waiting import wait_for

# Each stands for something that must not be written down. The token's parts are searched one by one.
NAME, BODY, COOKIE, ARGUMENT = "f1len4me-canary", "b0dy-canary", "c00kie-canary", "4rgument-canary"
SECRETS = [*TOKEN.split("."), NAME, BODY, COOKIE, ARGUMENT]
CARRIED = {
    "Content-Disposition": f'attachment; filename="{NAME}.zip"',
    "Cookie": f"sessionid={COOKIE}; __Host-sluice-binding={COOKIE * 3}xxxx",
    "User-Agent": f"agent {NAME}",
    "Referer": f"https://localhost/u/{TOKEN}",
}
URL = f"/u/{TOKEN}"
CONTENT = BODY.encode() * 10_000


def everything_that_can_happen(rig: Rig) -> None:
    """Requests that hold every secret and end in every way, the unhappy ones included."""

    def put(target=URL, headers=None):
        with contextlib.suppress(OSError):
            rig.ask("PUT", target, {**CARRIED, **(headers or {})}, CONTENT)

    put()
    put("/u", {"Authorization": f"Bearer {TOKEN}"})
    put(f"{URL}/{UPLOAD}")
    put(f"{URL}/{NAME}.zip")  # as curl does behind a slash
    put(f"/u/{NAME}.zip")
    put(f"/u/{NAME}.zip", {"Authorization": f"Bearer {TOKEN}"})
    for target in (
        URL,
        f"{URL}/{UPLOAD}",
        f"{URL}?a={ARGUMENT}",
        f"{URL}/{NAME}.zip",
        f"/u/{NAME}.zip",
        f"//u/{TOKEN}",
        f"/x/../u/{TOKEN}",
    ):
        for method in ("GET", "HEAD", "PATCH", "TRACE"):
            rig.ask(method, target, CARRIED)
    rig.ask("POST", f"{URL}/check", CARRIED, CONTENT)
    rig.ask("GET", f"/accounts/login/?next={ARGUMENT}", CARRIED)
    for target in (f"/U/{TOKEN}", f"/upload/{TOKEN}", f"/{TOKEN}"):
        rig.ask("GET", target, CARRIED)
    # Refused before nginx has chosen a location.
    rig.ask("PUT", URL, {**CARRIED, "Content-Length": "5", "Transfer-Encoding": "chunked"})
    rig.ask("PUT", URL, {**CARRIED, "X": "y" * 20_000})
    rig.ask("PUT", URL + "x" * 20_000, CARRIED)
    rig.ask("PUT", URL, {**CARRIED, "Host": "elsewhere.example"})
    rig.raw(f"PUT {URL} HTTP/1.1\r\n\r\n".encode())
    rig.raw(f"PUT {URL} HTTP/3.7\r\nHost: localhost\r\n\r\n".encode())
    rig.raw(f"PUT {URL} \x00\r\nHost: localhost\r\n\r\n".encode())
    with rig.connect() as connection:
        connection.sendall(f"PUT {URL}".encode())
    # Refused or broken in the middle.
    rig.ask("PUT", URL, {**CARRIED, "Transfer-Encoding": "chunked"}, b"zz\r\n" + CONTENT)
    with rig.connect() as connection:
        rig.uploads.requests.clear()
        connection.sendall(f"PUT {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{BODY}".encode())
        wait_for(lambda: rig.uploads.requests)
    for verdict in ("token_expired", "too_large", "nonsense", None):
        rig.refuse(verdict)
        put()
    rig.refuse(None, 500)
    put()
    rig.allow()
    rig.uploads.answers["/u"] = (None, {}, b"")
    put()
    rig.uploads.answers["/u"] = lambda _seen: (200, {"Bad header": "x\x00", "X" * 20_000: "y" * 20_000}, b"")
    put()
    rig.uploads.close()
    put()
    rig.control.close()
    put()
    rig.ask("GET", URL, CARRIED)


def found_in_logs(rig: Rig) -> list[str]:
    rig.stop()  # so that everything is written
    written = rig.all_logs()
    return [secret for secret in SECRETS if secret.encode() in written]


def test_no_token_name_cookie_argument_or_body_is_in_any_log(binary, pki, tmp_path):
    with Rig(tmp_path, binary, pki) as rig:
        everything_that_can_happen(rig)
        lines = rig.log_lines()
        assert len(lines) > 50, "the requests were made"
        assert found_in_logs(rig) == []
        assert {line["status"] for line in lines} >= {"200", "400", "401", "404", "405", "413", "444", "500", "503"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("snippets/quiet-errors.conf", "emerg;", "error;"),
        ("snippets/access-log.conf", '"path":"$log_path"', '"path":"$request_uri"'),
        ("maps/web-request.conf", '"~^/u(?:[/?]|$)" "/u$upload_path";', '"~^(?<all>.*)$" $all;'),
    ],
)
def test_control_without_each_protection_the_same_search_finds_the_token(binary, pki, tmp_path, file, old, new):
    tree = altered(TREE, tmp_path / "tree", {file: (old, new)})
    with Rig(tmp_path / "rig", binary, pki, tree) as rig:
        everything_that_can_happen(rig)
        assert set(TOKEN.split(".")) <= set(found_in_logs(rig))


# -- outside /u too, and whatever goes wrong --------------------------------------------------------------------------
CANARY = "k4n4rie"
EVERYWHERE = {
    "User-Agent": f"{CANARY}-agent",
    "Referer": f"https://localhost/{CANARY}-referer",
    "Cookie": f"{CANARY}-name={CANARY}-value",
    "Authorization": f"Bearer {CANARY}-bearer",
    "Origin": f"https://{CANARY}-origin.example",
    "X-Forwarded-For": f"{CANARY}-address",
    f"X-{CANARY}-Header": f"{CANARY}-header",
    "Content-Disposition": f'attachment; filename="{CANARY}-file"',
}
HASTY = {
    "snippets/timeouts.conf": ("proxy_read_timeout 30s;", "proxy_read_timeout 1s;"),
    "snippets/collected.conf": ("client_body_timeout 15s;", "client_body_timeout 1s;"),
    # At this rate a machine that is busy asks too often as well; before that, everything else has been asked once.
    "snippets/limits.conf": ("limit_conn at_once 200;", "limit_conn at_once 1;", "rate=100r/s;", "rate=1r/s;"),
    "conf.d/web.conf": ("burst=400", "burst=300"),
}
# What nginx says of each fault where it may say something: each of these was met.
WOULD_SAY = [
    "limiting requests", "limiting connections", "connect() to unix:", "upstream timed out", "upstream prematurely closed",
    "upstream sent", "client intended to send too large body", "client sent invalid chunked body", "client sent too long URI",
    "client sent too long header line", "client sent invalid host header", "client sent invalid header line", "client sent plain HTTP",
    "Not a directory", "SSL_do_handshake() failed", "client sent invalid method",
]  # fmt: skip


def everything_that_can_go_wrong(rig: Rig) -> None:
    """Each fault with the canary in every place where a client may write."""
    pages = (f"/{CANARY}-path?{CANARY}-query", f"/U/{TOKEN}.{CANARY}", f"/api/v1/uploads/{CANARY}-path?a={CANARY}-query")
    uploads = (f"/u/{CANARY}.{CANARY}.{CANARY}?{CANARY}-query", f"/u/{CANARY}.{CANARY}.{CANARY}")
    hosts = ({}, {"Host": f"{CANARY}-host.example"}, {"Host": f"localhost/{CANARY}"}, {"Host": f"{CANARY}\\host"})
    body = f"{CANARY}-body".encode()

    def all_pages(method="GET", content=b"", **headers):
        for target in pages:
            rig.ask(method, target, EVERYWHERE | headers, content)

    for target in (*pages, *uploads):
        for method in ("GET", "POST", "DELETE", "TRACE", CANARY.upper(), f"{CANARY}\\"):
            for host in hosts:
                rig.ask(method, target, EVERYWHERE | host, body)
    head = f"GET {pages[0]} HTTP/1.1\r\nHost: localhost\r\n".encode()
    for raw in (
        head + f"{CANARY}\x01: {CANARY}\r\n\r\n".encode(),
        head + f"{CANARY}\r\n\r\n".encode(),
        head + f"Content-Length: {CANARY}\r\n\r\n".encode(),
        head + f"Transfer-Encoding: {CANARY}\r\n\r\n".encode(),
        head + f"X-{CANARY}: ".encode() + b"y" * 20_000 + b"\r\n\r\n",
        f"GET /{CANARY}".encode() + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        f"GET /{CANARY} HTTP/{CANARY}\r\n\r\n".encode(),
        f"GET /{CANARY}%zz HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        f"{CANARY} {CANARY}\r\n\r\n".encode(),
    ):
        rig.raw(raw)
    # The connection itself.
    with socket.create_connection(("127.0.0.1", rig.port), 10) as plain:
        plain.sendall(head + b"\r\n")
        plain.recv(1000)
    with socket.create_connection(("127.0.0.1", rig.port), 10) as plain:
        plain.sendall(b"\x16\x03\x01\x00\xff" + body * 30)
        plain.recv(1000)
    with contextlib.suppress(OSError):
        rig.connect(name=f"{CANARY}.example")
    # Bodies.
    all_pages("POST", body * 5_000)
    chunked = {"Transfer-Encoding": "chunked"}
    all_pages("POST", b"zz\r\n" + body, **chunked)
    all_pages("POST", b"fffff\r\n" + body, **chunked)
    all_pages("POST", b"".join(b"1;%b\r\nx\r\n" % (body * 50) for _ in range(500)), **chunked)
    all_pages("POST", body, **{"Content-Length": "999"})
    # What stands behind.
    rig.reset()
    for answer in (
        lambda _seen: (200, {"Bad": "y" * 50_000}, b""),
        lambda _seen: (200, {"Bad": "x\x00"}, b""),
        (None, {}, b""),
        lambda _seen: time.sleep(1.5) or (200, {}, b""),
    ):
        rig.web.answers.update(dict.fromkeys(pages, answer))
        all_pages()
    with rig.connect() as connection:
        connection.sendall(f"GET {pages[0]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_for(lambda: rig.web.requests)
        all_pages()
    rig.reset()
    for _ in range(600):
        if rig.ask("GET", pages[0], EVERYWHERE, address="127.0.3.1").status == 429:
            break
    rig.web.close()
    all_pages()
    rig.control.close()
    rig.uploads.close()
    for target in uploads:
        rig.ask("PUT", target, EVERYWHERE, body)


def test_nothing_that_a_client_wrote_is_in_any_log_whatever_goes_wrong(binary, pki, tmp_path):
    with Rig(tmp_path / "rig", binary, pki, altered(TREE, tmp_path / "tree", HASTY)) as rig:
        everything_that_can_go_wrong(rig)
        rig.stop()
        written = rig.all_logs().decode(errors="replace").lower()
        assert [place for place in (CANARY, TOKEN.lower(), *TOKEN.lower().split(".")) if place in written] == []
        assert {line["status"] for line in rig.log_lines()} >= {"200", "400", "404", "405", "408", "413", "429", "444", "503"}


def test_control_with_an_error_log_each_fault_is_seen_to_print_it(binary, pki, tmp_path):
    loud = HASTY | {"snippets/quiet-errors.conf": ("error.log emerg;", "error.log info;")}
    with Rig(tmp_path / "rig", binary, pki, altered(TREE, tmp_path / "tree", loud)) as rig:
        everything_that_can_go_wrong(rig)
        rig.stop()
        errors = (rig.prefix / "logs" / "error.log").read_text(errors="replace")
    assert [said for said in WOULD_SAY if said not in errors] == []
    for place in ("path", "query", "referer"):
        assert f"{CANARY}-{place}" in errors
    assert f"/U/{TOKEN}" in errors


def test_a_stored_file_can_be_found_by_its_grant_upload_and_request(rig):
    rig.uploads.answers["/u"] = (201, {"X-Upload-Id": UPLOAD}, b"{}")
    before = len(rig.log_lines())
    answer = rig.ask("PUT", URL, body=b"x" * 1000)
    line = rig.log_lines(wait_for=before + 1)[-1]
    assert line["id"] == answer.header("X-Request-Id") == rig.uploads.requests[0].header("X-Request-Id")
    assert (
        line
        | {
            "grant": GRANT,
            "upload": UPLOAD,
            "status": "201",
            "upstream_status": "201",
            "authorize_status": "204",
            "problem": "",
            "method": "PUT",
            "path": "/u/",
            "client": "127.0.0.1",
            "completion": "OK",
            "http": "HTTP/1.1",
            "tls": "TLSv1.3",
        }
        == line
    )
    assert line["bytes_in"] > 1000 and line["seconds"] >= 0


def test_a_sender_that_vanished_is_logged_as_such(rig):
    before = len(rig.log_lines())
    with rig.connect() as connection:
        connection.sendall(f"PUT {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc".encode())
        wait_for(lambda: rig.uploads.requests)
    line = rig.log_lines(wait_for=before + 1)[-1]
    assert (line["grant"], line["completion"], line["method"]) == (GRANT, "", "PUT")
    assert line["status"] in ("400", "499")


def test_what_cannot_be_parsed_still_makes_one_line_of_json(rig):
    before = len(rig.log_lines())
    rig.raw(b'GET /"\\\x01\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    rig.raw(b'"\\\x07 / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    lines = rig.log_lines(wait_for=before + 2)[before:]
    assert [line["path"] for line in lines] == ["-", "-"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/?q=secret", "/"),
        ("/keys/", "/keys/"),
        ("/api/v1/", "/api/v1/"),
        ("/api/v1/openapi.json", "/api/v1/openapi.json"),
        ("/api/v1/uploads?limit=5", "/api/v1/uploads"),
        (f"/api/v1/uploads/{GRANT}/receipt", f"/api/v1/uploads/{GRANT}/receipt"),
        ("/accounts/login/?next=/x", "/accounts/login/"),
        ("/accounts/login/code/?x", "/accounts/login/code/"),
        ("/accounts/login/passkey/", "/accounts/login/passkey/"),
        ("/accounts/factors/", "/accounts/factors/"),
        ("/accounts/factors/passkey/", "/accounts/factors/passkey/"),
        ("/accounts/factors/app/", "/accounts/factors/app/"),
        ("/static/pages/app.js", "/static/"),
        ("/admin/auth/user/1/change/", "/admin/"),
        ("/collections/Meier-Anna-1961/receipts.zip?person=x", "/collections/"),
        ("/Meier-Anna-1961.zip", "-"),
        ("/api/v1/uploads/Meier-Anna-1961.zip", "-"),
        ("/accounts/login/Meier-Anna-1961.zip", "-"),
    ],
)
def test_a_path_is_logged_when_it_is_a_route_of_ours_and_never_as_a_client_made_it_up(rig, target, path):
    before = len(rig.log_lines())
    rig.ask("GET", target)
    assert rig.log_lines(wait_for=before + 1)[-1]["path"] == path
