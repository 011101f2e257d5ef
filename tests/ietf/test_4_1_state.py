"""Sections 4.1.1 Offset, 4.1.2 Completeness and 4.1.3 Length."""

import os

import pytest

from tests.ietf.speaker import PROBLEM, slowly

NO_INTEGERS = [
    "-1",
    "3.0",
    '"3"',
    "abc",
    "?1",
    "1e3",
    "0x3",
    "1, 2",
    "",
    "3 4",
    "3;",
    "3;A=1",
    "3;a=",
    "1" * 16,
    ":Mw==:",
]
NO_BOOLEANS = ["1", "0", "true", "?2", "?", '"?1"', "?1, ?1", "?1?1", "(?1)", "", "?1;", "?1 ;a", "?1;a b"]


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_an_upload_offset_that_is_no_integer_is_ignored_so_that_the_append_has_none(begun, value):
    reply = begun.append(value, b"!")
    assert reply.status == 400
    assert begun.offset() == 5


@pytest.mark.parametrize("value", ["5", "5;a", "5; a=1;b=?0", '5;q="x;y"', "5;t=tok/en;d=1.5;z=@0", "05", " 5 "])
def test_parameters_of_an_upload_offset_are_passed_over(begun, value):
    assert begun.append(value, b"!").status == 204
    assert begun.offset() == 6


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_an_upload_length_that_is_no_integer_is_ignored(client, value):
    assert client.create(b"", upload_length=value).status == 201
    assert client.ask().headers["Upload-Length"] is None


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("value", [value for value in NO_BOOLEANS if value])
def test_a_creation_whose_upload_complete_is_no_boolean_is_refused_and_not_taken_for_a_whole_file(client, value, method):
    """The draft says that it is ignored: a part would then be stored as the whole. ADR 0015."""
    reply = client.create(b"perhaps a part", complete=value, method=method)
    assert (reply.status, reply.json()["code"]) == (400, "request_malformed")
    assert client.send("GET", client.home).json()["uploads"] == []


def test_an_upload_complete_without_a_value_is_none_behind_nginx(client, stored):
    reply = client.create(b"whole file", complete="", method="PUT")
    assert reply.status == 201
    assert stored(reply.headers["Location"]) == b"whole file"


@pytest.mark.parametrize(
    "fields",
    [
        {"upload_defer_length": "1"},
        {"content_type": "application/offset+octet-stream"},
        {"upload_defer_length": "1", "upload_metadata": "filename YQ==", "content_type": "application/offset+octet-stream"},
    ],
)
def test_upload_complete_says_that_the_draft_is_meant_whatever_of_tus_stands_beside_it(client, stored, fields):
    reply = client.create(b"hello", **fields)
    assert (reply.status, reply.headers["Upload-Complete"], reply.headers["Tus-Resumable"]) == (201, "?0", None)
    assert client.append(5, b" world", complete="?1").status == 201
    assert stored(client.location) == b"hello world"


def test_a_version_of_tus_says_that_tus_is_meant_whatever_of_the_draft_stands_beside_it(client):
    reply = client.create(b"", upload_length=5, tus_resumable="1.0.0")
    assert (reply.status, reply.headers["Upload-Complete"], reply.headers["Tus-Resumable"]) == (201, None, "1.0.0")


@pytest.mark.parametrize("value", NO_BOOLEANS)
def test_an_upload_complete_that_is_no_boolean_leaves_an_append_without_one(begun, value):
    assert begun.append(5, b"!", complete=value).status == 400
    assert begun.offset() == 5


@pytest.mark.parametrize("value", ["?0;a", "?0; a=1", "?0;a=:aGk=:;b=1.5", " ?0 "])
def test_parameters_of_an_upload_complete_are_passed_over(client, value):
    reply = client.create(b"x", complete=value)
    assert (reply.status, reply.headers["Upload-Complete"]) == (201, "?0")


def test_the_offset_never_decreases(begun):
    seen = [begun.offset()]
    for body in (b" ", b"world", b""):
        assert begun.append(seen[-1], body).status == 204
        seen.append(begun.offset())
    begun.append(2, b"elsewhere")
    seen.append(begun.offset())
    assert seen == sorted(seen) == [5, 6, 11, 11, 11]


def test_an_upload_that_lost_its_bytes_is_deactivated_and_rejects_what_follows(stack, begun):
    (stack.nas / "staging" / begun.location.rsplit("/", 1)[1]).unlink()
    assert begun.append(5, b"!").status in (404, 410)
    assert begun.ask().status in (404, 410)
    assert begun.append(5, b"!").status in (404, 410)


def test_an_upload_is_incomplete_until_it_is_marked_even_where_the_offset_matches_the_length(client):
    client.create(b"hello", upload_length=5)
    head = client.ask()
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("5", "5")
    assert head.headers["Upload-Complete"] == "?0"


def test_a_used_up_token_names_no_completeness_and_its_words_are_true_of_several_uploads(speak):
    client = speak(max_uploads=2)
    assert [client.create(b"x", complete="?1").status for _ in range(2)] == [201, 201]
    reply = client.create(b"x", complete="?1")
    assert (reply.status, reply.json()["code"], reply.headers["Upload-Complete"]) == (409, "already_committed", None)
    assert reply.json()["detail"].startswith("All that this token allows")
    mine = client.append(1, b"y", complete="?1")
    assert (mine.status, mine.json()["code"], mine.headers["Upload-Offset"]) == (409, "already_committed", "1")
    assert "token" not in mine.json()["detail"]


def test_a_completed_upload_takes_no_more_bytes(begun, stored):
    assert begun.append(5, b" world", complete="?1").status == 201
    reply = begun.append(11, b"!", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"], reply.headers["Upload-Offset"]) == (409, "?0", "11")
    assert stored(begun.location) == b"hello world"


def test_a_creation_whose_two_lengths_differ_is_inconsistent(client):
    reply = client.create(b"hello", complete="?1", upload_length=6)
    assert_inconsistent(reply)
    assert reply.headers["Location"] is None


def test_a_creation_with_more_content_than_its_length_is_inconsistent(client):
    assert_inconsistent(client.create(b"hello", upload_length=4))


def test_an_append_that_names_another_length_than_the_creation_is_inconsistent(client):
    client.create(b"hello", upload_length=11)
    assert_inconsistent(client.append(5, b" ", upload_length=12))
    assert client.offset() == 5
    assert client.append(5, b" world", complete="?1", upload_length=11).status == 201


def test_a_completing_append_that_would_not_reach_the_length_is_inconsistent_and_changes_nothing(client):
    client.create(b"hello", upload_length=11)
    assert_inconsistent(client.append(5, b" wor", complete="?1"))
    assert client.offset() == 5
    assert client.append(5, b" world", complete="?1").status == 201


def test_a_completing_append_without_content_short_of_the_length_is_inconsistent(client):
    client.create(b"hello", upload_length=11)
    assert_inconsistent(client.append(5, b"", complete="?1"))
    assert client.offset() == 5


def test_a_chunked_completion_that_does_not_reach_the_length_is_rejected_and_not_complete(client, stored):
    client.create(b"hello", upload_length=11)
    # In two goes: nginx gives a chunked body that is there at once a Content-Length.
    assert_inconsistent(client.append(5, slowly(b" w", b"or"), complete="?1", chunked=True))
    head = client.ask()
    assert (head.headers["Upload-Complete"], head.headers["Upload-Offset"]) == ("?0", "9")
    assert client.append(9, b"ld", complete="?1").status == 201
    assert stored(client.location) == b"hello world"


def test_a_length_below_the_offset_is_inconsistent(begun):
    assert_inconsistent(begun.append(5, b"", upload_length=4))
    assert begun.offset() == 5


def test_the_length_that_an_interrupted_whole_request_implied_is_kept(client, under_way):
    client.create(upload_length=11)
    with client.hang("PATCH", client.location, b"hello", 11, upload_offset=0, upload_complete="?1", content_type=KIND):
        under_way(client)
    assert client.ask().headers["Upload-Length"] == "11"
    assert_inconsistent(client.append(client.offset(), b"something much longer", complete="?1"))


def assert_inconsistent(reply) -> None:
    assert (reply.status, reply.headers.get_content_type()) == (400, "application/problem+json")
    assert reply.headers["Upload-Complete"] == "?0"
    assert reply.json()["type"] == PROBLEM + "inconsistent-upload-length"


KIND = "application/partial-upload"


def test_an_upload_whose_bytes_are_lost_is_deactivated_before_an_offset_is_told(stack, begun):
    begun.append(5, b" world")
    os.truncate(stack.nas / "staging" / begun.location.rsplit("/", 1)[1], 3)
    for method in ("HEAD", "GET"):
        assert begun.ask(method).status == 410
    assert begun.append(11, b"!").status == 410
    assert begun.create(b"anew", complete="?1").status == 201
