"""tus 1.0.0, Core Protocol, "PATCH" and "Upload-Offset"."""

import os
import time
import uuid
from functools import partial

import pytest

from tests.tus.client import BYTES
from tests.waiting import wait_for

BAD_NUMBERS = ["-1", "+5", "1.5", "0x0", "5 5", "five", "1e3", "0,0", "５".encode().decode("latin-1"), "-0", "0;x=1"]


@pytest.fixture
def half(tus) -> str:
    """An upload of 10 bytes that stands at 5."""
    url = tus.create(10)
    assert tus.patch(url, 0, b"hello").status == 204
    return url


def test_an_append_is_204_with_the_new_offset(tus):
    url = tus.create(100)
    answer = tus.patch(url, 0, b"x" * 30)
    assert (answer.status, answer.offset, answer.body) == (204, 30, b"")


def test_the_new_offset_is_the_old_one_plus_what_was_sent(tus):
    url, at = tus.create(100), 0
    for size in (1, 10, 0, 39, 50):
        answer = tus.patch(url, at, b"x" * size)
        at += size
        assert (answer.status, answer.offset) == (204, at)
    assert tus.stored(url) == b"x" * 100


def test_bytes_are_applied_in_order(tus):
    body = os.urandom(300_000)
    url, at = tus.create(len(body)), 0
    for size in (1, 65_536, 100_000, 134_463):
        assert tus.patch(url, at, body[at : at + size]).status == 204
        at += size
    assert tus.stored(url) == body


def test_the_last_append_is_204_and_the_file_is_stored(tus, half):
    answer = tus.patch(half, 5, b"world")
    assert (answer.status, answer.offset) == (204, 10)
    assert tus.stored(half) == b"helloworld"


def test_an_empty_append_is_204_and_changes_nothing(tus, half):
    answer = tus.patch(half, 5)
    assert (answer.status, answer.offset) == (204, 5)


@pytest.mark.parametrize("kind", [None, "application/octet-stream", "text/plain", "application/offset", BYTES + "x"])
def test_another_content_type_is_415_and_changes_nothing(tus, half, kind):
    assert tus.patch(half, 5, b"world", {"Content-Type": kind}).status == 415
    assert tus.offset(half) == 5


def test_the_content_type_is_compared_without_regard_to_case(tus, half):
    assert tus.patch(half, 5, b"world", {"Content-Type": "Application/Offset+Octet-Stream"}).status == 204


@pytest.mark.parametrize("offset", [0, 4, 6, 10, 11, 10**18, 10**19, 10**25, "9" * 5000])
def test_another_offset_is_409_and_changes_nothing(tus, half, offset):
    answer = tus.patch(half, offset, b"abc")
    assert (answer.status, answer.offset) == (409, 5)
    assert tus.offset(half) == 5
    tus.patch(half, 5, b"world")
    assert tus.stored(half) == b"helloworld"


@pytest.mark.parametrize("offset", [None, "", *BAD_NUMBERS])
def test_an_offset_that_is_no_number_is_400_and_changes_nothing(tus, half, offset):
    assert tus.patch(half, offset, b"world").status == 400
    assert tus.offset(half) == 5


def test_two_offsets_in_one_request_are_never_taken_for_another_one(tus, half):
    # nginx before 1.23 shows us the first of them only; later ones show both.
    assert tus.patch(half, 0, b"world", also=[("Upload-Offset", "5")]).status in (400, 409)
    assert tus.offset(half) == 5


def test_leading_zeros_do_not_matter(tus, half):
    assert tus.patch(half, "0005", b"world").status == 204


def test_a_field_of_another_protocol_does_not_matter(tus, half):
    answer = tus.patch(half, 5, b"w", {"Upload-Complete": "?1"})
    assert (answer.status, answer.offset) == (204, 6)


def test_more_than_any_store_has_is_413_as_well(tus, half):
    assert tus.patch(half, 5, b"w", {"Content-Length": str(1 << 60)}).status == 413
    assert tus.offset(half) == 5


@pytest.mark.parametrize("size", [6, 11, 100_000])
def test_more_than_is_left_is_413_and_changes_nothing(tus, half, size):
    assert tus.patch(half, 5, b"x" * size).status == 413
    assert tus.offset(half) == 5
    tus.patch(half, 5, b"world")
    assert tus.stored(half) == b"helloworld"


@pytest.mark.parametrize("size", [6, 11, 100_000])
def test_more_than_is_left_is_413_and_changes_nothing_when_it_comes_in_chunks(tus, half, size):
    assert tus.patch(half, 5, b"x" * size, chunked=True).status == 413
    assert tus.offset(half) == 5
    tus.patch(half, 5, b"world")
    assert tus.stored(half) == b"helloworld"


def test_an_append_in_chunks_goes_well(tus, half):
    answer = tus.patch(half, 5, b"world", chunked=True)
    assert (answer.status, answer.offset) == (204, 10)
    assert tus.stored(half) == b"helloworld"


def test_an_empty_append_in_chunks_is_204(tus, half):
    answer = tus.patch(half, 5, b"", chunked=True)
    assert (answer.status, answer.offset) == (204, 5)


def test_the_last_append_may_be_repeated_without_bytes_when_its_answer_was_lost(tus, half):
    tus.patch(half, 5, b"world")
    answer = tus.patch(half, 10)
    assert (answer.status, answer.offset) == (204, 10)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("offset", "body"), [(10, b"more"), (5, b"world"), (0, b"helloworld"), (14, b"x")])
def test_a_complete_upload_takes_no_more(tus, half, offset, body, chunked):
    tus.patch(half, 5, b"world")
    answer = tus.patch(half, offset, body, chunked=chunked)
    assert 400 <= answer.status < 500 and (offset == 10 or answer.status == 409)
    assert tus.offset(half) == 10
    assert tus.stored(half) == b"helloworld"


def test_an_unknown_upload_is_404(tus):
    assert tus.patch(f"{tus.url}/{uuid.uuid4()}", 0, b"hello").status == 404


def test_as_much_as_possible_of_an_append_that_is_cut_is_stored(tus):
    body = os.urandom(1_000_000)
    url = tus.create(len(body))
    before_cut = partial(_wait_until_it_runs, tus, url)
    tus.patch(url, 0, body, cut_after=400_000, before_cut=before_cut)
    wait_for(lambda: tus.offset(url) == 400_000)
    assert tus.patch(url, 400_000, body[400_000:]).status == 204
    assert tus.stored(url) == body


def test_as_much_as_possible_of_an_append_in_chunks_that_is_cut_is_stored(tus):
    body = os.urandom(1_000_000)
    url = tus.create(len(body))
    before_cut = partial(_wait_until_it_runs, tus, url)
    tus.patch(url, 0, body, cut_after=400_000, before_cut=before_cut, chunked=True)
    wait_for(lambda: tus.offset(url) == 400_000)
    assert tus.patch(url, 400_000, body[400_000:]).status == 204
    assert tus.stored(url) == body


def test_an_append_that_expects_100_continue_is_told_to_continue(tus, half):
    answer = tus.patch(half, 5, b"world", {"Expect": "100-continue"})
    assert (answer.status, answer.offset, answer.interim) == (204, 10, 1)


def test_an_append_to_an_unknown_upload_that_expects_100_continue_is_refused_before_its_body(tus):
    answer = tus.patch(f"{tus.url}/{uuid.uuid4()}", 0, b"hello", {"Expect": "100-continue"})
    assert (answer.status, answer.sent) == (404, 0)


def test_a_refusal_reaches_the_sender_of_a_large_body(tus, half):
    for _ in range(5):
        assert tus.patch(half, 3, b"x" * 3_000_000).status == 409
        assert tus.patch(half, 5, b"x" * 3_000_000).status == 413


def _wait_until_it_runs(tus, url: str) -> None:
    """nginx drops a request whose client is gone before it was passed on; and what is under way must arrive."""
    wait_for(lambda: tus.state(url)["state"] == "receiving")
    time.sleep(0.3)


@pytest.mark.parametrize("chunked", [False, True])
def test_of_more_bytes_than_are_left_those_that_came_before_are_kept(tus, chunked):
    """At once where their number is announced; in a chunked body it shows at the last of them."""
    body = bytes(range(250)) * 20_000
    url = tus.create(len(body))
    answer = tus.patch(url, 0, body + b"!", chunked=chunked)
    assert (answer.status, answer.code) == (413, "too_large")
    at = tus.offset(url)
    assert at > 1_000_000 if chunked else at == 0
    assert tus.patch(url, at, body[at:]).status == 204
    assert tus.stored(url) == body
