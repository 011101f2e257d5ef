"""tus 1.0.0, "Creation With Upload"."""

import os

import pytest

from tests.tus.client import BYTES, checksum


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("length", [100, None])
def test_the_first_bytes_may_come_with_the_creation(tus, length, chunked):
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": "100"}
    answer = tus.post(size, b"hello", chunked=chunked)
    assert (answer.status, answer.offset) == (201, 5)
    assert tus.offset(answer["Location"]) == 5


@pytest.mark.parametrize("chunked", [False, True])
def test_the_whole_file_may_come_with_the_creation(tus, chunked):
    body = os.urandom(1_000_000)
    answer = tus.post({"Upload-Length": str(len(body))}, body, chunked=chunked)
    assert (answer.status, answer.offset) == (201, len(body))
    assert tus.stored(answer["Location"]) == body


def test_an_append_goes_on_behind_the_first_bytes(tus):
    url = tus.create(10, body=b"hello")
    assert tus.patch(url, 5, b"world").status == 204
    assert tus.stored(url) == b"helloworld"


def test_a_creation_without_bytes_may_have_the_content_type_and_says_offset_0(tus):
    answer = tus.post({"Upload-Length": "10", "Content-Type": BYTES})
    assert (answer.status, answer.offset) == (201, 0)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/octet-stream", "multipart/form-data"])
def test_first_bytes_of_another_content_type_are_415_and_create_nothing(tus, kind):
    assert tus.post({"Upload-Length": "10", "Content-Type": kind}, b"hello").status == 415
    assert tus.state()["uploads"] == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [6, 1_000_000])
def test_more_first_bytes_than_the_length_are_413_and_leave_no_upload(single, size, chunked):
    assert single.post({"Upload-Length": "5"}, b"x" * size, chunked=chunked).status == 413
    assert all(upload["state"] == "aborted" for upload in single.state()["uploads"])
    assert single.create(5, body=b"hello")


@pytest.mark.parametrize("chunked", [False, True])
def test_more_first_bytes_than_the_maximum_are_413_and_leave_no_upload(limited, chunked):
    assert limited.post({"Upload-Defer-Length": "1"}, b"x" * 1001, chunked=chunked).status == 413
    assert all(upload["state"] == "aborted" for upload in limited.state()["uploads"])


def test_first_bytes_with_their_checksum_are_taken(tus):
    answer = tus.post({"Upload-Length": "10", **checksum(b"hello", "sha256")}, b"hello")
    assert (answer.status, answer.offset) == (201, 5)


def test_first_bytes_with_another_checksum_are_460_and_leave_no_upload(single):
    assert single.post({"Upload-Length": "10", **checksum(b"other")}, b"hello").status == 460
    assert [upload["state"] for upload in single.state()["uploads"]] == ["aborted"]
    url = single.create(5, body=b"hello", headers=checksum(b"hello"))
    assert single.stored(url) == b"hello"


def test_a_creation_that_expects_100_continue_is_told_to_continue(tus):
    answer = tus.post({"Upload-Length": "10", "Expect": "100-continue"}, b"hello")
    assert (answer.status, answer.offset, answer.interim) == (201, 5, 1)


def test_a_creation_that_expects_100_continue_is_refused_before_its_body(limited):
    answer = limited.post({"Upload-Length": "2000", "Expect": "100-continue"}, b"x" * 2000)
    assert (answer.status, answer.sent) == (413, 0)


def test_the_first_bytes_may_be_more_than_any_buffer(tus):
    body = os.urandom(5_000_000)
    answer = tus.post({"Upload-Length": str(len(body) + 1)}, body)
    assert (answer.status, answer.offset) == (201, len(body))
    tus.patch(answer["Location"], len(body), b"!")
    assert tus.stored(answer["Location"]) == body + b"!"
