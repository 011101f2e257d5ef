"""Section 4.6 Concurrency: a newer request ends the older one first, whatever became of its connection."""

import threading
import time

import pytest

from tests.ietf.speaker import MIME, everything

APPEND = {"upload_complete": "?1", "content_type": MIME}
QUICK = 2.0  # seconds; it is to be less than one on an idle machine


@pytest.fixture(params=[6, None], ids=["sized", "chunked"])
def hanging(begun, under_way, request):
    """A client whose older request has sent four of six bytes after `hello` and says nothing more."""
    with begun.hang("PATCH", begun.location, b" wor", request.param, upload_offset=5, **APPEND) as wire:
        under_way(begun)
        begun.older = wire
        yield begun


def test_an_offset_retrieval_ends_the_older_request_and_its_bytes_count(hanging):
    started = time.monotonic()
    head = hanging.ask()
    assert time.monotonic() - started < QUICK
    assert (head.status, head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == (200, "9", "?0")


def test_the_offset_told_while_a_request_hangs_is_accepted_later(hanging, stored):
    offset = hanging.offset()
    hanging.older.send(b"XX")
    time.sleep(0.3)
    assert hanging.append(offset, b"ld", complete="?1").status == 201
    assert stored(hanging.location) == b"hello world"


def test_an_append_ends_the_older_request(hanging, stored):
    started = time.monotonic()
    reply = hanging.append(5, b" w")
    assert time.monotonic() - started < QUICK
    assert (reply.status, reply.headers["Upload-Offset"]) == (409, "9")
    assert hanging.append(9, b"ld", complete="?1").status == 201
    assert stored(hanging.location) == b"hello world"


def test_the_older_request_is_not_told_that_it_succeeded(hanging):
    hanging.offset()
    hanging.older.settimeout(5)
    answer = everything(hanging.older)
    assert b" 2" not in answer[:12]


def test_get_tells_no_offset_that_could_be_outdated(hanging):
    reply = hanging.ask("GET")
    assert reply.headers["Upload-Offset"] is None
    assert hanging.offset() == 9
    assert hanging.ask("GET").headers["Upload-Offset"] == "9"


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
