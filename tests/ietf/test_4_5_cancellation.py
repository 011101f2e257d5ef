"""Section 4.5 Upload Cancellation."""

import time

from tests.ietf.speaker import MIME, Speaker, everything
from tests.tokens import mint, uuid7


def test_delete_deactivates_the_upload_and_frees_what_it_held(stack, begun):
    reply = begun.ask("DELETE")
    assert (reply.status, reply.body) == (204, b"")
    assert begun.ask().status == 410
    assert begun.ask("GET").status == 410
    assert begun.append(5, b"!").status == 410
    assert begun.ask("DELETE").status == 410
    assert not (stack.nas / "staging" / begun.location.rsplit("/", 1)[1]).exists()


def test_a_cancelled_upload_gives_the_token_back(begun):
    begun.ask("DELETE")
    assert begun.create(b"again", complete="?1").status == 201


def test_a_request_in_flight_is_ended_before_the_answer(stack, begun, under_way):
    fields = {"upload_offset": 5, "upload_complete": "?1", "content_type": MIME}
    with begun.hang("PATCH", begun.location, b" wor", 6, **fields) as wire:
        under_way(begun)
        started = time.monotonic()
        assert begun.ask("DELETE").status == 204
        assert time.monotonic() - started < 3
        wire.settimeout(5)
        answer = everything(wire)
        assert b"201" not in answer[:30]
    assert begun.ask().status == 410
    assert not (stack.nas / "staging" / begun.location.rsplit("/", 1)[1]).exists()


def test_delete_of_a_completed_upload_ends_the_resource_and_keeps_what_was_stored(begun, stored):
    begun.append(5, complete="?1")
    assert begun.ask("DELETE").status == 204
    assert begun.ask().status == 410
    assert begun.ask("GET").status == 410
    assert stored(begun.location) == b"hello"


def test_an_unknown_upload_is_404_and_no_redirect(begun):
    begun.location = f"{begun.home}/{uuid7()}"
    assert begun.ask("DELETE").status == 404


def test_the_token_of_another_grant_cancels_nothing(stack, begun):
    other = Speaker(stack, mint(stack))
    other.location = f"{other.home}/{begun.location.rsplit('/', 1)[1]}"
    assert other.ask("DELETE").status == 404
    assert begun.append(5, complete="?1").status == 201
