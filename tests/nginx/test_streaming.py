"""What comes in goes out at once: the services tier sees the first bytes before the sender has sent the last."""

import socket
import time

import pytest

from tests.nginx.rig import TOKEN, UPLOAD
from tests.waiting import wait_for


@pytest.mark.parametrize("request_line", [f"PUT /u/{TOKEN}", f"POST /u/{TOKEN}", f"PATCH /u/{TOKEN}/{UPLOAD}"])
@pytest.mark.parametrize("length", [1000, 3 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_first_bytes_arrive_while_the_rest_is_unsent(rig, request_line, length, chunked):
    """Of every body that is a file's, small ones included; other small bodies are collected (test_spill.py)."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
    upstream = rig.uploads
    with rig.connect() as connection:
        connection.sendall(f"{request_line} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
        connection.sendall(b"3\r\nabc\r\n" if chunked else b"abc")
        wait_for(lambda: any(seen.size == 3 for seen in upstream.requests), 5)
        seen = upstream.requests[-1]
        assert seen.header("Transfer-Encoding") == ("chunked" if chunked else None)
        assert seen.header("Content-Length") == (None if chunked else str(length))


def test_a_sender_that_vanishes_is_seen_as_cut_off(rig):
    connection = rig.connect()
    connection.sendall(f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc".encode())
    wait_for(lambda: any(seen.size for seen in rig.uploads.requests), 5)
    connection.close()
    wait_for(lambda: rig.uploads.requests[0].cut_off, 5)
    assert rig.uploads.requests[0].size == 3


def test_a_chunked_sender_that_vanishes_is_never_seen_as_complete(rig):
    connection = rig.connect()
    head = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head.encode() + b"3\r\nabc\r\n")
    wait_for(lambda: any(seen.size for seen in rig.uploads.requests), 5)
    connection.close()
    wait_for(lambda: rig.uploads.requests[0].cut_off, 5)


def test_with_expect_the_go_ahead_comes_only_after_the_services_tier_said_yes(rig):
    asked = []
    rig.control.answers["/authorize"] = lambda _seen: asked.append(time.monotonic()) or (204, {}, b"")
    with rig.connect() as connection:
        head = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        assert len(asked) == 1
        connection.sendall(b"12345")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("size", [1000, 100_000, 300_000])
def test_a_whole_body_arrives_though_its_sender_hung_up_at_once(rig, size):
    """A killed process, a closed laptop: what had reached us is not to be sent again."""
    rig.control.answers["/authorize"] = lambda _seen: time.sleep(0.1) or (204, {}, b"")
    with rig.connect() as connection:
        head = f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * size)
        # The connection ends without a word of TLS.
        plain = socket.socket(fileno=connection.detach())
        plain.shutdown(socket.SHUT_WR)
        wait_for(lambda: rig.uploads.requests and rig.uploads.requests[0].ended_at)
        plain.close()
    seen = rig.uploads.requests[0]
    assert (seen.size, seen.cut_off) == (size, False)
