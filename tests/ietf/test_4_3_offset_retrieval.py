"""Section 4.3 Offset Retrieval."""

import pytest

from tests.ietf.speaker import Speaker, limits
from tests.tokens import mint, uuid7

ASKING = pytest.mark.parametrize("method", ["HEAD", "GET"])


@ASKING
def test_offset_completeness_length_and_limits_are_told(client, method):
    client.create(b"hello", upload_length=11)
    reply = client.ask(method)
    assert reply.status in (200, 204)
    assert reply.headers["Upload-Offset"] == "5"
    assert reply.headers["Upload-Complete"] == "?0"
    assert reply.headers["Upload-Length"] == "11"
    assert {*limits(reply)} == {"max-size", "max-age"}


@ASKING
def test_each_field_is_sent_once(begun, method):
    reply = begun.ask(method)
    for name in ("Upload-Offset", "Upload-Complete", "Upload-Limit", "Cache-Control"):
        assert len(reply.headers.get_all(name)) == 1, name


@ASKING
def test_a_completed_upload_says_so(begun, method):
    begun.append(5, complete="?1")
    reply = begun.ask(method)
    assert (reply.headers["Upload-Complete"], reply.headers["Upload-Offset"]) == ("?1", "5")


@ASKING
def test_the_answer_must_not_be_cached(begun, method):
    assert begun.ask(method).headers["Cache-Control"] == "no-store"


def test_the_offset_that_is_told_is_accepted(begun):
    for _ in range(3):
        assert begun.append(begun.offset(), b"x").status == 204


@ASKING
def test_an_unknown_upload_is_404_and_never_a_redirect(begun, method):
    begun.location = f"{begun.home}/{uuid7()}"
    assert begun.ask(method).status == 404


@pytest.mark.parametrize("suffix", ["/", "//"])
def test_another_spelling_is_no_redirect_either(begun, suffix):
    begun.location += suffix
    assert begun.ask().status == 404


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
def test_the_token_of_another_grant_opens_nothing(stack, begun, method):
    other = Speaker(stack, mint(stack))
    other.location = f"{other.home}/{begun.location.rsplit('/', 1)[1]}"
    reply = other.append(5, b"!") if method == "PATCH" else other.ask(method)
    assert reply.status in (403, 404)
    assert reply.headers["Upload-Offset"] is None
    assert begun.offset() == 5


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
def test_a_renewed_token_of_another_upload_opens_nothing(stack, begun, method):
    other = Speaker(stack, mint(stack, upload_id=str(uuid7())))
    other.location = f"{other.home}/{begun.location.rsplit('/', 1)[1]}"
    assert (other.append(5, b"!") if method == "PATCH" else other.ask(method)).status in (403, 404)
    assert begun.offset() == 5


def test_without_a_token_there_is_nothing(begun):
    begun.location = f"/u/{begun.location.rsplit('/', 1)[1]}"
    assert begun.ask().status == 401
