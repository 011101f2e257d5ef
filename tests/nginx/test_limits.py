"""Limits per address, and how long silence may last. Clients of these tests have addresses of their own."""

import re
import threading
import time
from pathlib import Path

import pytest

from dev.paths import ROOT
from tests.nginx.rig import TOKEN, TREE, Answer, Rig, altered
from tests.waiting import wait_for

HEAD = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1".encode()


def assert_slow_down(answer: Answer) -> None:
    assert (answer.status, answer.code(), answer.header("Retry-After")) == (429, "slow_down", "5")


def test_one_address_may_send_so_many_bodies_at_once_and_another_is_not_held_up(rig):
    running = [rig.connect(address="127.0.1.1") for _ in range(24)]
    try:
        for connection in running:
            connection.sendall(HEAD)
        wait_for(lambda: len(rig.uploads.requests) == 24)
        assert_slow_down(rig.ask("PUT", f"/u/{TOKEN}", body=b"12345", address="127.0.1.1"))
        assert rig.ask("GET", f"/u/{TOKEN}", address="127.0.1.1").status == 200, "progress can still be asked for"
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345", address="127.0.1.2").status == 200
        running.pop().close()
        wait_for(lambda: rig.ask("PUT", f"/u/{TOKEN}", body=b"12345", address="127.0.1.1").status == 200)
    finally:
        for connection in running:
            connection.close()


def test_one_address_may_ask_so_many_questions_at_once(rig):
    release = threading.Event()
    rig.web.answers["/slow"] = lambda _seen: release.wait(20) and (200, {}, b"")
    waiting = [rig.connect(address="127.0.1.3") for _ in range(200)]
    try:
        for connection in waiting:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: len(rig.web.requests) == 200)
        assert_slow_down(rig.ask("GET", "/", address="127.0.1.3"))
        assert rig.ask("GET", "/", address="127.0.1.4").status == 200
    finally:
        release.set()
        for connection in waiting:
            connection.close()


def test_passwords_are_tried_slowly_while_pages_are_not_held_up(rig):
    def sign_in(path):
        return rig.ask("POST", path, body=b"username=a&password=b", address="127.0.1.7")

    ways = ("login", "login/code", "login/passkey", "forgotten", "new-password")
    paths = ("/admin/login/", *(f"/accounts/{way}/" for way in ways))
    answers = [sign_in(paths[number % 6]) for number in range(40)]
    statuses = [answer.status for answer in answers]
    assert statuses[:31] == [200] * 31 and set(statuses[32:]) == {429}
    assert_slow_down(answers[-1])
    assert rig.ask("GET", "/accounts/login/", address="127.0.1.7").status == 200
    assert rig.ask("POST", "/api/v1/uploads", body=b"{}", address="127.0.1.7").status == 200


def few_at_once(tree: Path) -> Path:
    """Ten requests at once instead of 400."""
    for file in ("snippets/limits.conf", "conf.d/web.conf"):
        text = (tree / file).read_text()
        assert "zone=requests burst=400 nodelay;" in text
        (tree / file).write_text(text.replace("burst=400", "burst=10").replace("rate=100r/s", "rate=1r/s"))
    return tree


@pytest.fixture(scope="module")
def hasty(binary, pki, tmp_path_factory):
    """The same nginx with every patience shortened to a second, and ten requests at once instead of 400."""
    folder = tmp_path_factory.mktemp("hasty")
    tree = few_at_once(altered(TREE, folder / "tree", {}))
    for file in ("snippets/timeouts.conf", "conf.d/uploads.conf", "conf.d/authorize.conf"):
        text = (tree / file).read_text()
        for patience in ("15s", "330s", "60s", "120s", "600s", "10s"):
            text = text.replace(f" {patience};", " 1s;")
        text = text.replace("proxy_read_timeout 30s;", "proxy_read_timeout 1s;")
        (tree / file).write_text(text)
    with Rig(folder / "rig", binary, pki, tree) as made:
        yield made


@pytest.fixture
def impatient(hasty):
    hasty.reset()
    return hasty


def test_a_sender_that_falls_silent_is_cut_off_and_never_looks_complete(impatient):
    with impatient.connect() as connection:
        connection.sendall(HEAD)
        assert connection.recv(100) == b""
    wait_for(lambda: impatient.uploads.requests[0].cut_off, 10)
    assert impatient.uploads.requests[0].size == 1
    assert impatient.log_lines()[-1]["status"] == "408"


def test_a_pipe_may_be_silent_for_longer_than_anything_else_may(rig, binary, pki, tmp_path):
    """Every other patience is a second; the sender pauses for two and goes on."""
    tree = altered(TREE, tmp_path / "tree", {})
    for file in ("snippets/timeouts.conf", "conf.d/uploads.conf"):
        text = re.sub(r"(?<!body)_timeout \d+s;", "_timeout 1s;", (tree / file).read_text())
        (tree / file).write_text(text)
    with Rig(tmp_path / "rig", binary, pki, tree) as patient, patient.connect() as connection:
        connection.sendall(HEAD)
        wait_for(lambda: patient.uploads.requests)
        time.sleep(2.5)
        connection.sendall(b"234567890")
        assert b" 200 " in connection.recv(100)


def test_nginx_is_silent_for_longer_than_the_services_tier_is():
    """The side that can give a reason speaks first, and the documents tell both numbers."""
    (nginx,) = re.findall(r"client_body_timeout (\d+)s;", (TREE / "snippets" / "timeouts.conf").read_text())
    (idle,) = re.findall(r"^#UPLOAD_IDLE_TIMEOUT=(\d+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    (window,) = re.findall(r"^#UPLOAD_MIN_RATE_WINDOW=(\d+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert 240 <= int(idle) < int(nginx) and int(idle) < int(window)
    operations, api = ((ROOT / "docs" / name).read_text() for name in ("operations.md", "upload-api.md"))
    assert f"{idle} s at a time (`UPLOAD_IDLE_TIMEOUT`)" in operations and f"nginx waits {nginx} s" in operations
    assert f"{window} s behind" in operations and f"`UPLOAD_IDLE_TIMEOUT` ({idle} s)" in api


def test_headers_that_trickle_in_are_cut_off(impatient):
    with impatient.connect() as connection:
        connection.sendall(HEAD[:30])
        assert connection.recv(100) == b""
    assert impatient.control.requests == []


@pytest.mark.parametrize(("listener", "target"), [("control", "/authorize"), ("uploads", "/u")])
def test_a_services_tier_that_does_not_answer_is_reported_as_such(impatient, listener, target):
    release = threading.Event()
    getattr(impatient, listener).answers[target] = lambda _seen: release.wait(20) and (204, {}, b"")
    answer = impatient.ask("PUT", f"/u/{TOKEN}", body=b"12345")
    release.set()
    assert (answer.status, answer.code(), answer.header("Retry-After")) == (503, "no_answer", "30")


def test_a_web_app_that_does_not_answer_is_not_said_to_be_the_storage_side(impatient):
    release = threading.Event()
    for target in ("/uploads/", "/api/v1/uploads"):
        impatient.web.answers[target] = lambda _seen: (None, {}, b"") if release.wait(20) else (204, {}, b"")
    page, program = (impatient.ask("GET", target, address="127.0.1.4") for target in ("/uploads/", "/api/v1/uploads"))
    release.set()
    assert (page.status, page.header("Retry-After")) == (503, "5")
    assert b"<h1>The page is busy</h1>" in page.body
    assert (program.status, program.code(), program.header("Retry-After")) == (503, "web_busy", "5")


@pytest.mark.parametrize(
    ("target", "address"), [("/", "127.0.1.5"), ("/api/v1/uploads", "127.0.1.6"), (f"/u/{TOKEN}", "127.0.1.8")]
)
def test_a_burst_of_requests_is_slowed_down(impatient, target, address):
    answers = [impatient.ask("GET", target, address=address) for _ in range(20)]
    assert [answer.status for answer in answers[:11]] == [200] * 11
    assert_slow_down(next(answer for answer in answers if answer.status != 200))
    assert impatient.ask("GET", target, address="127.0.1.9").status == 200


@pytest.fixture(scope="module")
def from_anywhere(binary, pki, tmp_path_factory):
    """An nginx that believes a header about its client's address, which needs no such addresses on this machine."""
    folder = tmp_path_factory.mktemp("from-anywhere")
    tree = few_at_once(altered(TREE, folder / "tree", {}))
    with (tree / "snippets" / "limits.conf").open("a") as limits:
        limits.write("set_real_ip_from 127.0.0.1;\nreal_ip_header X-From;\n")
    with Rig(folder / "rig", binary, pki, tree) as made:
        yield made


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:a0a:a0a::a0a", "2001:db8:a0a:a0a:a0a:a0a:a0a:a0a", True),  # line breaks in its bytes
        ("2001:db8:2:1::1", "2001:db8:2:2::1", False),
        ("2001:db8:3::1", "2001:db8:3:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("10.10.10.10", "10.10.10.11", False),
        ("::ffff:198.51.100.1", "::ffff:198.51.100.2", False),
        ("::ffff:10.10.10.10", "::ffff:10.10.10.10", True),
    ],
)
def test_whoever_has_a_whole_network_of_ipv6_counts_once(from_anywhere, first, second, is_same):
    statuses = [from_anywhere.ask("GET", "/", {"X-From": first}).status for _ in range(16)]
    assert statuses[:11] == [200] * 11 and 429 in statuses
    assert from_anywhere.log_lines()[-1]["client"] == first
    assert (from_anywhere.ask("GET", "/", {"X-From": second}).status == 429) == is_same
