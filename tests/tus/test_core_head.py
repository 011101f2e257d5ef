"""tus 1.0.0, Core Protocol, "HEAD"."""

import uuid

import pytest

from tests.tokens import mint
from tests.tus.client import Tus, b64


def test_head_of_a_fresh_upload_says_offset_0(tus):
    answer = tus.head(tus.create(100))
    assert answer.status in (200, 204)
    assert (answer.offset, answer["Upload-Length"]) == (0, "100")


def test_head_says_the_offset_after_an_append(tus):
    url = tus.create(100)
    tus.patch(url, 0, b"x" * 70)
    assert tus.head(url).offset == 70


def test_head_of_a_complete_upload_says_offset_and_length_which_are_equal(tus):
    url = tus.create(5)
    assert tus.patch(url, 0, b"hello").status == 204
    answer = tus.head(url)
    assert (answer.status, answer.offset, answer["Upload-Length"]) == (200, 5, "5")


def test_head_of_an_empty_upload_says_offset_0(tus):
    answer = tus.head(tus.create(0))
    assert (answer.status, answer.offset, answer["Upload-Length"]) == (200, 0, "0")


def test_head_must_not_be_cached(tus):
    for url in (tus.create(100), tus.create(0), f"{tus.url}/{uuid.uuid4()}"):
        assert tus.head(url)["Cache-Control"] == "no-store"


def test_head_of_an_unknown_upload_is_404_without_an_offset(tus):
    answer = tus.head(f"{tus.url}/{uuid.uuid4()}")
    assert (answer.status, answer.offset) == (404, None)
    assert answer["Upload-Length"] is None


@pytest.mark.parametrize("path", ["/not-an-id", "/00000000-0000-0000-0000-00000000000G", "/" + "a" * 300])
def test_head_of_what_cannot_be_an_upload_is_404_without_an_offset(tus, path):
    answer = tus.head(tus.url + path)
    assert (answer.status, answer.offset) == (404, None)


def test_head_has_no_body(tus):
    assert tus.head(tus.create(100)).body == b""


def test_head_changes_nothing(tus):
    url = tus.create(10)
    tus.patch(url, 0, b"hello")
    assert [tus.head(url).offset for _ in range(3)] == [5, 5, 5]
    assert tus.patch(url, 5, b"world").status == 204
    assert tus.stored(url) == b"helloworld"


def test_an_upload_of_another_token_is_404(stack, tus):
    url = tus.create(10, {"Upload-Metadata": f"filename {b64('private.txt')}"})
    other = Tus(stack, mint(stack, max_uploads=100))
    theirs = f"{other.url}/{url.rpartition('/')[2]}"
    for answer in (other.head(theirs), other.patch(theirs, 0, b"hello"), other.delete(theirs)):
        assert (answer.status, answer.offset, answer["Upload-Metadata"]) == (404, None, None)
    assert tus.offset(url) == 0


def test_without_a_good_token_every_verb_is_401_and_nothing_changes(stack, tus):
    url = tus.create(10)
    bad = Tus(stack, tus.token[:-8] + "AAAAAAAA")
    theirs = f"{bad.url}/{url.rpartition('/')[2]}"
    answers = [bad.head(theirs), bad.patch(theirs, 0, b"hello"), bad.delete(theirs), bad.post({"Upload-Length": "5"})]
    assert {answer.status for answer in answers} == {401}
    assert tus.offset(url) == 0


def test_the_token_may_stand_in_the_authorization_header(stack):
    tus = Tus(stack, mint(stack), bearer=True)
    url = tus.create(10)
    assert tus.token not in url
    assert tus.patch(url, 0, b"helloworld").offset == 10
    assert tus.offset(url) == 10
