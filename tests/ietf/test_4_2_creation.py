"""Sections 4.2 Upload Creation, 5 Status Code 104 and 11 Upload Strategies."""

import json

import pytest

from tests.ietf.speaker import everything, limits
from tests.waiting import wait_for

METHODS = pytest.mark.parametrize("method", ["POST", "PUT"])


@METHODS
def test_a_whole_file_with_complete_true_is_processed_at_once(client, stored, method):
    reply = client.create(b"hello world", complete="?1", method=method)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?1")
    assert reply.json()["state"] == "committed"
    assert stored(client.location) == b"hello world"


@METHODS
def test_an_empty_representation_can_be_uploaded(client, stored, method):
    reply = client.create(b"", complete="?1", method=method)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?1")
    assert stored(client.location) == b""


@METHODS
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_first_part_is_answered_201_with_location_limits_and_complete_false(client, method, body):
    reply = client.create(body, method=method)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?0")
    assert reply.headers["Location"].startswith(f"https://localhost:{client.port}{client.home}/")
    assert limits(reply)
    assert client.offset() == len(body)


@METHODS
def test_a_first_part_may_come_in_chunks(client, method):
    assert client.create([b"he", b"llo"], method=method, chunked=True).status == 201
    assert client.offset() == 5


@METHODS
def test_a_whole_file_may_come_in_chunks(client, stored, method):
    reply = client.create([b"hello ", b"world"], complete="?1", method=method, chunked=True)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?1")
    assert stored(client.location) == b"hello world"


@METHODS
def test_the_first_part_of_a_file_whose_length_the_token_names_is_taken(speak, method):
    client = speak(length=11)
    assert client.create(b"hello", method=method, upload_length=11).status == 201
    assert client.append(5, b" world", complete="?1").status == 201


def test_a_creation_without_content_and_without_content_length_is_taken(client):
    with client.hang("PUT", client.home, b"", None, upload_complete="?0") as wire:
        wire.sendall(b"0\r\n\r\n")
        assert b" 201 " in wire.recv(4096).splitlines()[0]


def test_the_length_is_recorded_from_upload_length(client):
    client.create(b"hello", upload_length=11)
    assert client.ask().headers["Upload-Length"] == "11"


def test_the_length_is_recorded_from_a_whole_request(client):
    client.create(b"hello", complete="?1")
    assert client.ask().headers["Upload-Length"] == "5"


def test_no_length_is_told_that_was_not_supplied(begun):
    assert begun.ask().headers["Upload-Length"] is None


def test_the_location_is_the_same_in_every_answer(client):
    first = client.create(b"hello").headers["Location"]
    assert client.append(5, b"!", complete="?1").headers["Location"] == first
    assert client.append(6, complete="?1").headers["Location"] == first


def test_each_upload_has_a_location_of_its_own_that_is_not_reused(speak):
    client = speak(max_uploads=3)
    seen = {client.create().headers["Location"]}
    client.ask("DELETE")
    seen |= {client.create(b"a", complete="?1").headers["Location"], client.create().headers["Location"]}
    assert len(seen) == 3


@pytest.mark.parametrize("version", [None, "8", "9"])
def test_there_is_one_response_and_no_104(client, version):
    fields = {"upload_complete": "?1", "expect": "100-continue", "upload_draft_interop_version": version}
    with client.hang("POST", client.home, b"hello", 5, connection="close", **fields) as wire:
        heard = everything(wire)
    lines = [line for line in heard.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert [line.split()[1] for line in lines] in ([b"201"], [b"100", b"201"])


def test_expect_100_continue_is_answered_100(client):
    fields = {"upload_complete": "?1", "expect": "100-continue", "connection": "close"}
    with client.hang("POST", client.home, b"", 5, **fields) as wire:
        assert wire.recv(4096).startswith(b"HTTP/1.1 100 ")
        wire.sendall(b"hello")
        assert b" 201 " in everything(wire).splitlines()[0]


def test_an_interrupted_creation_keeps_what_came_and_is_not_complete(client, under_way):
    wire = client.hang("POST", client.home, b"hello", 11, upload_complete="?1")
    upload = wait_for(lambda: _newest(client))
    client.location = f"{client.home}/{upload}"
    under_way(client)
    wire.close()
    head = wait_for(lambda: _waiting(client))
    assert (head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == ("5", "?0")
    assert head.headers["Upload-Length"] == "11"
    assert client.append(5, b" world", complete="?1").status == 201


def test_the_name_is_taken_from_content_disposition_inline(stack, client):
    disposition = "inline; filename=\"file name.txt\"; filename*=UTF-8''file%20n%C3%A4me.txt"
    client.create(b"hello", complete="?1", content_disposition=disposition)
    assert stack.stored(client.location.rsplit("/", 1)[1]).name == "file näme.txt"


def test_a_refusal_is_an_answer_of_the_protocol_with_complete_false(speak):
    client = speak(collection="no-such-collection")
    reply = client.create(b"hello", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"]) == (403, "?0")


def test_a_refusal_of_what_was_uploaded_is_an_answer_of_the_target_with_complete_true(speak):
    client = speak(media_types=["application/zip"])
    reply = client.create(b"plain words", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"]) == (415, "?1")


def test_a_conventional_upload_is_not_touched_by_the_protocol(client):
    reply = client.create(b"hello", complete=None, method="PUT")
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, None)


def _newest(client) -> str | None:
    uploads = json.loads(client.send("GET", client.home).body)["uploads"]
    return uploads[-1]["upload_id"] if uploads else None


def _waiting(client):
    reply = client.ask()
    return reply if reply.status == 200 else None
