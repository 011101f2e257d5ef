"""tus 1.0.0, "Creation", Upload-Defer-Length."""

import pytest

from tests.tus.client import checksum


@pytest.fixture
def deferred(tus) -> str:
    """An upload whose length is not known, at offset 5."""
    url = tus.create()
    assert tus.patch(url, 0, b"hello").status == 204
    return url


def test_a_length_may_be_told_later(tus):
    assert tus.post({"Upload-Defer-Length": "1"}).status == 201


@pytest.mark.parametrize("value", ["0", "2", "-1", "true", "1.0", "01", "1 1", ""])
def test_any_other_value_than_1_is_400(tus, value):
    assert tus.post({"Upload-Defer-Length": value}).status == 400


def test_a_length_and_its_deferral_contradict_each_other(tus):
    assert tus.post({"Upload-Defer-Length": "1", "Upload-Length": "5"}).status == 400


def test_head_says_that_the_length_is_deferred_for_as_long_as_it_is(tus, deferred):
    answer = tus.head(deferred)
    assert (answer["Upload-Defer-Length"], answer["Upload-Length"], answer.offset) == ("1", None, 5)
    tus.patch(deferred, 5, b"w", {"Upload-Length": "10"})
    answer = tus.head(deferred)
    assert (answer["Upload-Defer-Length"], answer["Upload-Length"], answer.offset) == (None, "10", 6)


def test_head_does_not_say_that_a_known_length_is_deferred(tus):
    assert tus.head(tus.create(10))["Upload-Defer-Length"] is None


def test_the_length_may_come_with_the_last_bytes(tus, deferred):
    answer = tus.patch(deferred, 5, b"world", {"Upload-Length": "10"})
    assert (answer.status, answer.offset) == (204, 10)
    assert tus.stored(deferred) == b"helloworld"


def test_the_length_may_come_behind_all_bytes(tus, deferred):
    answer = tus.patch(deferred, 5, b"", {"Upload-Length": "5"})
    assert (answer.status, answer.offset) == (204, 5)
    assert tus.stored(deferred) == b"hello"


def test_the_length_may_come_before_any_byte(tus):
    url = tus.create()
    assert tus.patch(url, 0, b"", {"Upload-Length": "5"}).status == 204
    assert tus.head(url)["Upload-Length"] == "5"
    tus.patch(url, 0, b"hello")
    assert tus.stored(url) == b"hello"


def test_an_empty_file_may_be_told_later(tus):
    url = tus.create()
    assert tus.patch(url, 0, b"", {"Upload-Length": "0"}).status == 204
    assert tus.stored(url) == b""


def test_nothing_is_complete_before_its_length_is_known(tus, deferred):
    assert tus.state(deferred)["state"] == "waiting"


@pytest.mark.parametrize("known", ["at creation", "by an append"])
@pytest.mark.parametrize("other", ["9", "11", "5", "0"])
def test_a_length_must_not_be_changed(tus, known, other):
    if known == "at creation":
        url = tus.create(10)
        tus.patch(url, 0, b"hello")
    else:
        url = tus.create()
        tus.patch(url, 0, b"hello", {"Upload-Length": "10"})
    assert tus.patch(url, 5, b"", {"Upload-Length": other}).status == 400
    answer = tus.head(url)
    assert (answer.offset, answer["Upload-Length"]) == (5, "10")


def test_a_length_may_be_repeated(tus):
    url = tus.create(10)
    assert tus.patch(url, 0, b"hello", {"Upload-Length": "10"}).offset == 5


@pytest.mark.parametrize("length", ["4", "0", "-5", "+10", "1.5", "ten"])
def test_a_length_that_cannot_be_is_400_and_stays_deferred(tus, deferred, length):
    assert tus.patch(deferred, 5, b"world", {"Upload-Length": length}).status == 400
    answer = tus.head(deferred)
    assert (answer.offset, answer["Upload-Defer-Length"]) == (5, "1")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [6, 300_000])
def test_more_bytes_than_the_length_that_comes_with_them_are_413_and_it_stays_deferred(tus, deferred, size, chunked):
    assert tus.patch(deferred, 5, b"x" * size, {"Upload-Length": "10"}, chunked=chunked).status == 413
    answer = tus.head(deferred)
    assert (answer.offset, answer["Upload-Defer-Length"]) == (5, "1")


@pytest.mark.parametrize("headers", [{"Upload-Checksum": "crc32 AAAA"}, checksum(b"other")])
def test_a_length_that_comes_with_a_bad_checksum_stays_deferred(tus, deferred, headers):
    assert tus.patch(deferred, 5, b"world", {"Upload-Length": "10", **headers}).status in (400, 460)
    answer = tus.head(deferred)
    assert (answer.offset, answer["Upload-Defer-Length"]) == (5, "1")


@pytest.mark.parametrize("length", ["1001", str(10**30)])
def test_a_length_over_the_maximum_is_413_and_stays_deferred(limited, length):
    url = limited.create()
    assert limited.patch(url, 0, b"hello", {"Upload-Length": length}).status == 413
    assert limited.head(url)["Upload-Defer-Length"] == "1"


@pytest.mark.parametrize("chunked", [False, True])
def test_more_bytes_than_the_maximum_are_413_and_what_was_there_stays(limited, chunked):
    url = limited.create()
    limited.patch(url, 0, b"x" * 900)
    assert limited.patch(url, 900, b"x" * 101, chunked=chunked).status == 413
    assert limited.offset(url) == 900
    assert limited.patch(url, 900, b"x" * 100, {"Upload-Length": "1000"}).status == 204
    assert limited.stored(url) == b"x" * 1000
