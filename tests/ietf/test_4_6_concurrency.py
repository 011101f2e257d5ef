"""Section 4.6 Concurrency: a newer request ends the older one first, whatever became of its connection."""

import contextlib
import os
import signal
import threading
import time

import psutil
import pytest

from tests.ietf.speaker import MIME, everything
from tests.waiting import wait_for

APPEND = {"upload_complete": "?1", "content_type": MIME}
QUICK = 2.0  # seconds; it is to be less than one on an idle machine


@pytest.fixture(params=[6, None], ids=["sized", "chunked"])
def hanging(begun, under_way, request):
    """A client whose older request has sent four of six bytes after `hello` and says nothing more."""
    with begun.hang("PATCH", begun.location, b" wor", request.param, upload_offset=5, **APPEND) as wire:
        under_way(begun)
        begun.older, begun.sized = wire, request.param is not None
        yield begun


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_offset_retrieval_ends_the_older_request_and_its_bytes_count(hanging, method):
    started = time.monotonic()
    told = hanging.ask(method)
    assert time.monotonic() - started < QUICK
    assert (told.status, told.headers["Upload-Offset"], told.headers["Upload-Complete"]) == (200, "9", "?0")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_offset_told_while_a_request_hangs_is_accepted_later(hanging, stored, method):
    offset = int(hanging.ask(method).headers["Upload-Offset"])
    hanging.older.send(b"XX")
    time.sleep(0.3)
    assert hanging.append(offset, b"ld", complete="?1").status == 201
    assert stored(hanging.location) == b"hello world"


@contextlib.contextmanager
def nobody_takes_bytes(stack):
    """What reaches nginx meanwhile is asked about, and waits there."""
    pids = stack.pids("uploads")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("declared", [6, None], ids=["sized", "chunked"])
def test_the_offset_told_is_accepted_though_an_older_append_was_still_on_its_way(
    begun, stack, stored, declared, method
):
    """nginx has it, and has asked about it, but no process of ours has begun to take it."""

    def waiting() -> int:
        found = psutil.net_connections("tcp")
        return sum(each.status == "ESTABLISHED" and each.raddr.port == stack.uploads_port for each in found)

    wait_for(lambda: not waiting(), 10)
    with contextlib.ExitStack() as stopped:
        stopped.enter_context(nobody_takes_bytes(stack))
        older = begun.hang("PATCH", begun.location, b" older", declared, upload_offset=5, **APPEND)
        with older:
            wait_for(waiting, 10)
            offset = int(begun.ask(method).headers["Upload-Offset"])
            stopped.close()
            older.settimeout(10)
            assert older.recv(4096).startswith(b"HTTP/1.1 423 ")
    assert offset == 5
    assert begun.append(offset, b" world", complete="?1").status == 201
    assert stored(begun.location) == b"hello world"


def test_an_append_ends_the_older_request(hanging, stored):
    started = time.monotonic()
    reply = hanging.append(5, b" w")
    assert time.monotonic() - started < QUICK
    assert (reply.status, reply.headers["Upload-Offset"]) == (409, "9")
    assert hanging.append(9, b"ld", complete="?1").status == 201
    assert stored(hanging.location) == b"hello world"


@pytest.mark.parametrize("newer", ["HEAD", "DELETE", "PATCH"])
def test_the_older_request_is_told_that_a_newer_one_took_over(hanging, newer):
    hanging.append(9, b"l") if newer == "PATCH" else hanging.ask(newer)
    hanging.older.settimeout(5)
    answer = everything(hanging.older)
    assert answer.startswith(b"HTTP/1.1 423 ")
    assert b'"code": "upload_in_progress"' in answer


def test_the_state_of_the_grant_is_no_offset_retrieval_and_disturbs_nobody(hanging, stored):
    for _ in range(3):
        assert hanging.send("GET", hanging.home).json()["state"] == "receiving"
    hanging.older.sendall(b"ld" if hanging.sized else b"2\r\nld\r\n0\r\n\r\n")
    assert b" 201 " in hanging.older.recv(4096)[:20]
    assert stored(hanging.location) == b"hello world"


def test_a_creation_that_hangs_is_taken_over_as_well(client, under_way, stored):
    with client.hang("POST", client.home, b"hello", 11, upload_complete="?1"):
        time.sleep(0.5)
        uploads = client.send("GET", client.home).json()["uploads"]
        client.location = f"{client.home}/{uploads[-1]['upload_id']}"
        assert client.offset() == 5
        assert client.append(5, b" world", complete="?1").status == 201
    assert stored(client.location) == b"hello world"


def test_appends_at_the_same_moment_do_not_mix(begun, stored):
    bodies = [bytes([65 + index]) * 200_000 for index in range(4)]
    replies = []
    threads = [threading.Thread(target=lambda body=body: replies.append(begun.append(5, body))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} <= {204, 409, 423}
    offset = begun.offset()
    assert begun.append(offset, complete="?1").status == 201
    content = stored(begun.location)
    assert len(content) == offset
    runs = [content[5:].count(body[:1]) for body in bodies]
    assert content[5:] in {body[:count] for body, count in zip(bodies, runs, strict=True) if count == offset - 5}
