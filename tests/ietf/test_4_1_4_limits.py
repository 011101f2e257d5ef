"""Section 4.1.4 Limits."""

import itertools
import time

import pytest

from tests.ietf.speaker import limits, slowly


def test_options_tells_the_limits_before_anything_is_created(client):
    reply = client.send("OPTIONS", client.home)
    assert reply.status in (200, 204)
    assert limits(reply)["max-size"] > 0


def test_the_limits_of_options_are_those_of_the_upload(speak):
    client = speak(max_size=1000)
    before = limits(client.send("OPTIONS", client.home))["max-size"]
    client.create()
    assert before == limits(client.ask())["max-size"] == 1000


def test_the_creation_and_every_answer_about_the_upload_tell_the_limits(client):
    assert limits(client.create(b"hello"))["max-age"] > 0
    assert limits(client.ask())["max-age"] > 0
    assert limits(client.ask("GET"))["max-age"] > 0
    assert limits(client.append(5, b"!"))["max-age"] > 0
    assert limits(client.append(5, b"!"))["max-size"] > 0  # a refusal
    assert limits(client.append(6, complete="?1"))["max-size"] > 0
    assert limits(client.ask())["max-size"] > 0


def test_limits_do_not_tighten_while_the_upload_lives(client):
    replies = [client.create(b"a"), client.ask(), client.append(1, b"b"), client.ask()]
    seen = [(time.time(), limits(reply)) for reply in replies]
    assert len({said["max-size"] for _, said in seen}) == 1
    assert all({*said} == {"max-size", "max-age"} for _, said in seen)


def test_the_end_of_the_lifetime_does_not_move_nearer(client):
    ends = []
    for reply in (client.create(b"a"), client.ask(), client.append(1, b"b"), client.ask()):
        ends.append(time.time() + limits(reply)["max-age"])
        time.sleep(0.3)
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(ends))  # whole seconds are told


def test_the_lifetime_ends_with_the_token_in_the_url(speak):
    client = speak(exp=int(time.time()) + 300)
    for reply in (client.create(b"a"), client.ask(), client.append(1, b"b"), client.ask("GET")):
        assert 200 < limits(reply)["max-age"] <= 300


def test_a_declared_length_over_the_limit_is_413_with_the_limits(speak):
    client = speak(max_size=10)
    for fields in ({"upload_length": 11}, {"upload_length": "11;a"}):
        assert_too_large(client.create(**fields))
    assert_too_large(client.create(b"x" * 11, complete="?1"))
    assert_too_large(client.create(b"x" * 11, complete="?1", method="PUT"))


def test_content_over_the_limit_is_413_with_the_limits(speak):
    client = speak(max_size=10)
    client.create(b"hello")
    assert_too_large(client.append(5, b"x" * 6))
    assert client.offset() == 5


def test_chunked_content_over_the_limit_is_413_with_the_limits(speak):
    client = speak(max_size=10)
    client.create(b"hello")
    assert_too_large(client.append(5, slowly(b"x", b"x" * 5), chunked=True))
    head = client.ask()
    assert head.status in (404, 410) or int(head.headers["Upload-Offset"]) <= 10


def test_an_append_that_learns_a_length_over_the_limit_is_413_and_changes_nothing(speak):
    client = speak(max_size=10)
    client.create(b"hello")
    assert_too_large(client.append(5, b"x", upload_length=11))
    assert client.offset() == 5


def assert_too_large(reply) -> None:
    assert (reply.status, reply.headers["Upload-Complete"]) == (413, "?0")
    assert limits(reply)["max-size"] == 10


@pytest.mark.parametrize("length", [{}, {"upload_length": 11}])
def test_a_first_part_over_the_limit_is_refused_before_it_is_sent(speak, length):
    client = speak(max_size=10)
    with client.hang("POST", client.home, b"", 11, upload_complete="?0", **length) as wire:
        answer = wire.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"upload-limit: max-size=10\r\n" in answer.lower()


@pytest.mark.parametrize(
    "fields",
    [
        {"complete": "?1", "upload_length": 99},  # two lengths, one of them over the limit
        {"complete": "?0", "upload_length": 4},  # more bytes than the length, and than the limit
        {"complete": "maybe"},
        {"content_digest": "unixsum=1"},
    ],
)
def test_a_refusal_for_another_reason_tells_the_limits_too(speak, fields):
    client = speak(max_size=10)
    for method in ("POST", "PUT"):
        reply = client.create(b"x" * 11, method=method, **fields)
        assert reply.status in (400, 413)
        assert limits(reply)["max-size"] == 10
