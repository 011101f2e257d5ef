"""Sections 4.4 Upload Append, 6 Media Type, 7 Problem Types, 8 Content Codings and 9 Transfer Codings."""

import gzip

import pytest

from tests.ietf.speaker import MIME, PROBLEM, slowly

FRAMING = pytest.mark.parametrize("chunked", [False, True])


@FRAMING
def test_an_append_is_acknowledged_2xx_with_complete_false(begun, chunked):
    reply = begun.append(5, b" wor", chunked=chunked)
    assert (reply.status, reply.headers["Upload-Complete"]) == (204, "?0")
    assert begun.offset() == 9


@FRAMING
def test_the_last_append_is_answered_as_the_whole_upload_would_have_been(begun, stored, chunked):
    reply = begun.append(5, b" world", complete="?1", chunked=chunked)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?1")
    assert (reply.json()["state"], reply.json()["length"]) == ("committed", 11)
    assert stored(begun.location) == b"hello world"


def test_an_append_of_nothing_with_complete_true_completes(begun, stored):
    reply = begun.append(5, complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?1")
    assert stored(begun.location) == b"hello"


def test_an_append_of_nothing_with_complete_false_changes_nothing(begun):
    assert begun.append(5).status == 204
    assert begun.offset() == 5


@pytest.mark.parametrize("offset", [0, 4, 6, 999_999_999_999_999])
@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_a_mismatching_offset_is_409_with_the_right_one_and_keeps_the_bytes(begun, stored, offset, complete):
    reply = begun.append(offset, b"other", complete=complete)
    assert (reply.status, reply.headers["Upload-Offset"], reply.headers["Upload-Complete"]) == (409, "5", "?0")
    assert reply.headers.get_content_type() == "application/problem+json"
    problem = reply.json()
    assert problem["type"] == PROBLEM + "mismatching-upload-offset"
    assert (problem["expected-offset"], problem["provided-offset"]) == (5, offset)
    begun.append(5, complete="?1")
    assert stored(begun.location) == b"hello"


def test_a_mismatching_offset_on_a_completed_upload_is_409_with_the_right_one_and_complete_false(begun):
    begun.append(5, complete="?1")
    reply = begun.append(0, b"hello", complete="?1")
    assert (reply.status, reply.headers["Upload-Offset"], reply.headers["Upload-Complete"]) == (409, "5", "?0")


def test_no_answer_is_replayed_to_another_length(begun):
    begun.append(5, b" world", complete="?1")
    reply = begun.append(11, complete="?1", upload_length=12)
    assert (reply.status, reply.json()["code"]) == (400, "inconsistent_length")


def test_the_final_answer_is_replayed_to_an_empty_append_at_the_end(begun):
    final = begun.append(5, b" world", complete="?1")
    again = begun.append(11, complete="?1")
    assert (again.status, again.headers["Upload-Complete"]) == (final.status, "?1")
    assert again.json()["receipt"] == final.json()["receipt"]


def test_a_completed_upload_is_not_reopened_by_complete_false(begun):
    begun.append(5, complete="?1")
    reply = begun.append(5, complete="?0")
    assert (reply.status, reply.headers["Upload-Complete"]) == (409, "?0")
    assert begun.ask().headers["Upload-Complete"] == "?1"


def test_a_refusal_of_what_was_uploaded_has_complete_true(speak):
    client = speak(media_types=["application/zip"])
    client.create(b"plain ")
    reply = client.append(6, b"words", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"]) == (415, "?1")
    assert client.ask().status == 410


@pytest.mark.parametrize(
    "kind",
    [None, "application/octet-stream", "text/plain", "application/partial-upload2", "application/merge-patch+json"],
)
def test_an_append_of_another_media_type_is_415_and_says_which_is_taken(begun, kind):
    reply = begun.append(5, b"!", kind=kind)
    assert (reply.status, reply.headers["Upload-Complete"]) == (415, "?0")
    assert MIME in reply.headers["Accept-Patch"]
    assert begun.offset() == 5


@pytest.mark.parametrize("kind", ["Application/Partial-Upload", "application/partial-upload; a=b"])
def test_the_media_type_is_compared_as_media_types_are(begun, kind):
    assert begun.append(5, b"!", kind=kind).status == 204


@pytest.mark.parametrize("missing", ["upload_offset", "upload_complete"])
def test_an_append_without_a_field_that_it_must_have_is_400(begun, missing):
    assert begun.send("PATCH", begun.location, b"!", **{**APPEND, missing: None}).status == 400
    assert begun.offset() == 5


def test_the_length_of_an_append_is_recorded(begun):
    begun.append(5, b" ", upload_length=11)
    assert begun.ask().headers["Upload-Length"] == "11"


COMPLETE = pytest.mark.parametrize("complete", ["?0", "?1"])


@COMPLETE
def test_the_length_is_enforced_against_content_length(client, complete):
    client.create(b"hello", upload_length=11)
    assert client.append(5, b"x" * 7, complete=complete).status == 400
    assert_invalid(client)


@COMPLETE
def test_the_length_is_enforced_against_chunked_content(client, complete):
    client.create(b"hello", upload_length=11)
    reply = client.append(5, slowly(b"x" * 6, b"x"), chunked=True, complete=complete)
    assert (reply.status, reply.headers["Upload-Complete"]) == (400, "?0")
    assert reply.json()["type"] == PROBLEM + "inconsistent-upload-length"
    assert_invalid(client)


def test_the_length_is_enforced_against_a_chunked_creation(client):
    reply = client.create(slowly(b"hello", b" world!"), upload_length=11, chunked=True)
    assert (reply.status, reply.headers["Upload-Complete"]) == (400, "?0")
    assert reply.json()["type"] == PROBLEM + "inconsistent-upload-length"


@FRAMING
def test_an_interrupted_append_keeps_its_beginning_and_does_not_complete(begun, under_way, stored, chunked):
    declared = None if chunked else 6
    fields = {**APPEND, "upload_complete": "?1"}
    with begun.hang("PATCH", begun.location, b" wo", declared, **fields):
        under_way(begun)
    head = begun.ask()
    assert (head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == ("8", "?0")
    assert begun.append(8, b"rld", complete="?1").status == 201
    assert stored(begun.location) == b"hello world"


def test_content_codings_are_refused_and_the_answer_names_the_one_that_is_taken(client, stored):
    """RFC 9110, section 15.5.16. What is stored and signed is the file itself (ADR 0014)."""
    coded = gzip.compress(b"hello" * 100)
    refused = client.create(coded[:10], content_encoding="gzip", upload_length=len(coded))
    assert (refused.status, refused.headers["Accept-Encoding"]) == (415, "identity")
    client.create(coded[:10], content_encoding="identity", upload_length=len(coded))
    assert client.offset() == 10
    assert client.append(10, coded[10:], complete="?1").status == 201
    assert stored(client.location) == coded


def test_transfer_codings_do_not_count_towards_the_offset(client):
    client.create([b"he", b"l", b"lo"], chunked=True)
    assert client.offset() == 5


def test_an_answer_without_content_has_no_type_of_content(begun):
    for reply in (begun.append(5, b"!"), begun.ask()):
        assert (reply.body, reply.headers["Content-Type"]) == (b"", None)


def test_there_is_no_redirect_and_no_104(begun):
    assert begun.append(5, b"!" * 100_000).status == 204


def assert_invalid(client) -> None:
    """The resource is marked invalid, and every further interaction is rejected."""
    assert client.ask().status == 410
    assert client.append(5, b" world", complete="?1").status == 410
    assert client.ask("DELETE").status == 410


APPEND = {"upload_offset": 5, "upload_complete": "?0", "content_type": MIME}
