"""No body touches this machine's disk: shown while it streams, with two positive controls for what shows it. ADR 0003."""

import hashlib
import time

import pytest

from tests.nginx.rig import TOKEN, TREE, Answer, Rig, altered
from tests.nginx.spill import Watch

MIB = 1 << 20
BLOCK = bytes(range(256)) * (MIB // 256)

BUFFERED = {
    "snippets/unbuffered.conf": ("proxy_request_buffering off;", "proxy_request_buffering on;"),
}
BUFFERED_INTO_A_FOLDER = BUFFERED | {
    "snippets/no-spill.conf": ("client_body_temp_path conf/no-spill;", "client_body_temp_path spilled;"),
}


def put(rig: Rig, mebibytes: int, chunked: bool = False, target: str = f"/u/{TOKEN}") -> Answer:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {mebibytes * MIB}"
    with rig.connect() as connection:
        try:
            connection.sendall(f"PUT {target} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
            for _ in range(mebibytes):
                connection.sendall(b"%x\r\n%b\r\n" % (MIB, BLOCK) if chunked else BLOCK)
            if chunked:
                connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # refused on the way; the answer says more
        return Answer.read(connection)


@pytest.mark.parametrize(("mebibytes", "chunked"), [(300, False), (100, True)])
def test_a_large_body_passes_and_nothing_is_written(rig, tmp_path, mebibytes, chunked):
    with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
        assert put(rig, mebibytes, chunked).status == 200
    seen = rig.uploads.requests[0]
    expected = hashlib.sha256()
    for _ in range(mebibytes):
        expected.update(BLOCK)
    assert (seen.size, seen.digest.hexdigest()) == (mebibytes * MIB, expected.hexdigest())
    assert watch.report.nothing(), watch.report


def test_refused_bodies_and_bodies_for_web_app_are_not_written_either(rig, tmp_path):
    with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
        rig.refuse("too_large")
        assert put(rig, 50).status == 413
        assert put(rig, 50, chunked=True).status == 413
        rig.allow()
        assert put(rig, 50, target="/api/v1/uploads").status in (405, 413)
        assert put(rig, 50, target="/x/../u/" + TOKEN).status == 404
        assert (
            rig.ask("POST", f"/u/{TOKEN}/check", {"Transfer-Encoding": "chunked"}, b"fffff\r\n" + BLOCK).status == 413
        )
        rig.control.answers["/authorize"] = (500, {}, b"")
        assert put(rig, 50).status == 500
    assert rig.uploads.requests == []
    assert watch.report.nothing(), watch.report


# Where small bodies are collected (ADR 0024): a request, who gets it, and the limit in bytes.
COLLECTED = [
    ("POST", "/accounts/login/", "web", 16 << 10),
    ("POST", "/api/v1/uploads", "web", 16 << 10),
    ("DELETE", "/api/v1/uploads", "web", 16 << 10),
    ("GET", "/", "web", 16 << 10),
    ("POST", f"/u/{TOKEN}/check", "control", 64 << 10),
]
# How a body of so many bytes is framed.
FRAMINGS = {
    "sized": lambda body: ({"Content-Length": str(len(body))}, body),
    "one chunk": lambda body: chunks(body, len(body)),
    "chunks of 1000": lambda body: chunks(body, 1000),
    "chunks of one": lambda body: chunks(body, 1),
}


def chunks(body: bytes, each: int, extension: bytes = b"") -> tuple[dict, bytes]:
    pieces = [body[at : at + each] for at in range(0, len(body), each)]
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return {"Transfer-Encoding": "chunked"}, framed + b"0\r\n\r\n"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_small_bodies_are_collected_in_memory_up_to_their_limit_and_not_a_byte_more(rig, tmp_path, framing):
    with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
        for method, target, upstream, limit in COLLECTED:
            rig.reset()
            body = BLOCK[:limit]
            assert rig.ask(method, target, *FRAMINGS[framing](body)).status == 200
            seen = getattr(rig, upstream).requests[-1]
            assert (seen.size, seen.digest.digest()) == (limit, hashlib.sha256(body).digest())
            assert (seen.header("Content-Length"), seen.header("Transfer-Encoding")) == (str(limit), None)
            rig.reset()
            answer = rig.ask(method, target, *FRAMINGS[framing](body + b"x"))
            assert (answer.status, answer.code()) == (413, "too_large")
            assert [seen.target for seen in getattr(rig, upstream).requests if seen.target != "/authorize"] == []
    assert watch.report.nothing(), watch.report


def test_a_body_that_is_all_framing_finds_no_disk_and_is_too_large(rig, tmp_path):
    with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
        for method, target, upstream, _ in COLLECTED:
            rig.reset()
            answer = rig.ask(method, target, *chunks(BLOCK[:1000], 1, b";" + b"x" * 1000))
            assert (answer.status, answer.code()) == (413, "too_large"), target
            assert [seen.target for seen in getattr(rig, upstream).requests if seen.target != "/authorize"] == []
    assert watch.report.tries and all("ENOTDIR" in line for line in watch.report.tries), watch.report
    assert watch.report.written == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_nobody_is_woken_before_a_small_body_is_whole(rig, framing):
    for method, target, upstream, _ in COLLECTED:
        rig.reset()
        headers, framed = FRAMINGS[framing](b"0123456789")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with rig.connect() as connection:
            connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode() + framed[:-1])
            # Another one on the same way overtakes it.
            assert rig.ask(method, target).status == 200
            assert [seen.size for seen in getattr(rig, upstream).requests if seen.target != "/authorize"] == [0]
            connection.sendall(framed[-1:])
            assert Answer.read(connection).status == 200
        assert [seen.size for seen in getattr(rig, upstream).requests if seen.target != "/authorize"] == [0, 10]


def test_a_large_response_with_a_slow_reader_is_not_written_either(rig, tmp_path):
    rig.web.answers["/big"] = (200, {"X-Accel-Buffering": "yes"}, BLOCK * 64)
    with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch, rig.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = len(connection.recv(1))
        time.sleep(1)  # by now every buffer on the way is full
        while piece := connection.recv(MIB):
            received += len(piece)
    assert received > 64 * MIB
    assert watch.report.nothing(), watch.report


def test_control_with_buffering_on_the_try_is_seen_and_fails_closed(binary, pki, tmp_path):
    tree = altered(TREE, tmp_path / "tree", BUFFERED)
    with Rig(tmp_path / "rig", binary, pki, tree) as rig, Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
        for chunked in (False, True):
            answer = put(rig, 8, chunked)
            assert (answer.status, answer.code()) == (500, "internal_error")
        assert rig.uploads.requests == []
        assert (rig.prefix / "conf" / "no-spill").is_file()
    assert len(watch.report.tries) == 2 and all("ENOTDIR" in line for line in watch.report.tries), watch.report
    assert watch.report.written == 0


def test_control_with_buffers_smaller_than_the_limits_small_bodies_are_seen_to_spill(binary, pki, tmp_path):
    small = {
        "snippets/unbuffered.conf": ("client_body_buffer_size 128k;", "client_body_buffer_size 8k;"),
        "conf.d/uploads.conf": ("client_body_buffer_size 512k;", "client_body_buffer_size 8k;"),
        "snippets/no-spill.conf": BUFFERED_INTO_A_FOLDER["snippets/no-spill.conf"],
    }
    with Rig(tmp_path / "rig", binary, pki, altered(TREE, tmp_path / "tree", small)) as rig:
        for method, target, _, limit in COLLECTED:
            with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
                assert rig.ask(method, target, body=BLOCK[:limit]).status == 200
            assert len(watch.report.tries) == 1 and watch.report.written >= limit - (8 << 10), watch.report


def test_control_with_buffering_on_and_a_real_folder_the_spill_is_seen(binary, pki, tmp_path):
    tree = altered(TREE, tmp_path / "tree", BUFFERED_INTO_A_FOLDER)
    with Rig(tmp_path / "rig", binary, pki, tree) as rig:
        with Watch([rig.process.pid, *rig.workers()], tmp_path) as watch:
            assert put(rig, 8).status == 200
        assert rig.uploads.requests[0].size == 8 * MIB
        assert list((rig.prefix / "spilled").iterdir()) == [], "the file was unlinked at once"
    assert len(watch.report.tries) == 1
    assert watch.report.written == 8 * MIB
