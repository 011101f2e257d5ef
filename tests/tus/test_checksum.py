"""tus 1.0.0, "Checksum"."""

import os

import pytest

from tests.tus.client import b64, checksum
from tests.waiting import wait_for

ALGORITHMS = ["sha1", "sha256", "sha512", "md5"]


@pytest.fixture
def half(tus) -> str:
    url = tus.create(10)
    assert tus.patch(url, 0, b"hello").status == 204
    return url


def test_every_algorithm_that_is_listed_is_tested(tus):
    assert sorted(tus.options()["Tus-Checksum-Algorithm"].split(",")) == sorted(ALGORITHMS)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_append_whose_checksum_agrees_is_204(tus, half, algorithm, chunked):
    answer = tus.patch(half, 5, b"world", checksum(b"world", algorithm), chunked=chunked)
    assert (answer.status, answer.offset) == (204, 10)
    assert tus.stored(half) == b"helloworld"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_append_whose_checksum_differs_is_460_and_is_discarded(tus, half, algorithm, chunked):
    assert tus.patch(half, 5, b"worlt", checksum(b"world", algorithm), chunked=chunked).status == 460
    assert tus.offset(half) == 5
    assert tus.patch(half, 5, b"world", checksum(b"world", algorithm)).status == 204
    assert tus.stored(half) == b"helloworld"


def test_a_large_append_whose_checksum_differs_is_discarded(tus):
    body = os.urandom(3_000_000)
    url = tus.create(len(body))
    tus.patch(url, 0, body[:1_000_000], checksum(body[:1_000_000]))
    assert tus.patch(url, 1_000_000, body[1_000_000:], checksum(b"")).status == 460
    assert tus.offset(url) == 1_000_000
    assert tus.patch(url, 1_000_000, body[1_000_000:], checksum(body[1_000_000:])).status == 204
    assert tus.stored(url) == body


def test_the_checksum_is_of_the_append_and_not_of_the_file(tus, half):
    assert tus.patch(half, 5, b"world", checksum(b"helloworld")).status == 460
    assert tus.offset(half) == 5


def test_appends_with_and_without_checksums_may_follow_each_other(tus):
    url = tus.create(15)
    tus.patch(url, 0, b"hello", checksum(b"hello"))
    tus.patch(url, 5, b"-----")
    tus.patch(url, 10, b"world", checksum(b"world", "md5"))
    assert tus.stored(url) == b"hello-----world"


def test_an_empty_append_may_have_a_checksum(tus, half):
    assert tus.patch(half, 5, b"", checksum(b"")).offset == 5
    assert tus.patch(half, 5, b"", checksum(b"x")).status == 460


@pytest.mark.parametrize(
    "algorithm", ["crc32", "SHA1", "sha-1", "sha3_256", "shake_128", "blake2b", "none", "sha1,md5"]
)
def test_an_algorithm_that_is_not_listed_is_400_and_changes_nothing(tus, half, algorithm):
    answer = tus.patch(half, 5, b"world", {"Upload-Checksum": f"{algorithm} {b64(b'1' * 20)}"})
    assert (answer.status, answer.code) == (400, "checksum_unsupported")
    assert tus.offset(half) == 5


@pytest.mark.parametrize("value", ["sha1", "sha1 ***", "sha1 YWJ", "sha1:YWJj", "sha1 ä", " ", "YWJj", "sha1 YW Jj"])
def test_a_checksum_that_is_none_is_400_and_changes_nothing(tus, half, value):
    value = value if value.strip() else "sha1 "
    assert tus.patch(half, 5, b"world", {"Upload-Checksum": value}).status == 400
    assert tus.offset(half) == 5


def test_a_checksum_of_another_size_never_agrees(tus, half):
    assert tus.patch(half, 5, b"world", {"Upload-Checksum": "sha1 AAAA"}).status == 460
    assert tus.offset(half) == 5


def test_an_append_that_is_cut_is_discarded_when_it_has_a_checksum(tus):
    body = os.urandom(1_000_000)
    url = tus.create(len(body))

    def runs():
        wait_for(lambda: tus.state(url)["state"] == "receiving")

    tus.patch(url, 0, body, checksum(body), cut_after=400_000, before_cut=runs)
    wait_for(lambda: tus.state(url)["state"] == "waiting")
    assert tus.offset(url) == 0
    assert tus.patch(url, 0, body, checksum(body)).status == 204
    assert tus.stored(url) == body
