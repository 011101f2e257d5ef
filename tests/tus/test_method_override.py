"""tus 1.0.0, Core Protocol, "X-HTTP-Method-Override"."""

import uuid

import pytest

from tests.tus.client import BYTES


def override(tus, meant, url=None, headers=None, body=b"", by="POST", **kwargs):
    return tus.ask(by, url, {"X-HTTP-Method-Override": meant, **(headers or {})}, body, **kwargs)


def append(tus, url, offset, body, **kwargs):
    return override(tus, "PATCH", url, {"Content-Type": BYTES, "Upload-Offset": str(offset)}, body, **kwargs)


def test_post_that_means_patch_appends(tus):
    url = tus.create(10)
    answer = append(tus, url, 0, b"hello")
    assert (answer.status, answer.offset) == (204, 5)
    assert append(tus, url, 5, b"world").status == 204
    assert tus.stored(url) == b"helloworld"


def test_post_that_means_patch_is_refused_as_patch_is(tus):
    url = tus.create(10)
    assert append(tus, url, 5, b"hello").status == 409
    assert append(tus, url, 0, b"x" * 11).status == 413
    assert append(tus, f"{tus.url}/{uuid.uuid4()}", 0, b"hello").status == 404
    assert append(tus, url, 0, b"hello", version="0.2.2").status == 412
    assert tus.offset(url) == 0


def test_post_that_means_delete_terminates(tus):
    url = tus.create(10)
    assert override(tus, "DELETE", url).status == 204
    assert tus.head(url).status in (404, 410)


def test_post_that_means_head_says_the_offset(tus):
    url = tus.create(10)
    answer = override(tus, "HEAD", url)
    assert (answer.status, answer.offset, answer["Upload-Length"]) == (200, 0, "10")


def test_post_that_means_head_is_answered_at_once_also_when_there_is_nothing(tus):
    answer = override(tus, "HEAD", f"{tus.url}/{uuid.uuid4()}")
    assert (answer.status, answer.offset) == (404, None)
    assert override(tus, "HEAD").status == 200


def test_post_that_means_options_says_what_can_be_done(tus):
    assert override(tus, "OPTIONS")["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize("by", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_the_actual_method_is_ignored_whatever_it_is(tus, by):
    url = tus.create(10)
    answer = append(tus, url, 0, b"hello", by=by)
    assert (answer.status, answer.offset) == (204, 5)
    assert override(tus, "HEAD", url, by=by).offset == 5
    assert override(tus, "POST", headers={"Upload-Length": "5"}, by=by).status == 201
    assert override(tus, "DELETE", url, by=by).status == 204


def test_get_that_means_delete_terminates_and_a_plain_get_does_not(tus):
    url = tus.create(10)
    assert tus.ask("GET", url).status == 200
    assert tus.offset(url) == 0


@pytest.mark.parametrize("meant", ["BREW", "TRACE", "POSTT", "PATCH,DELETE", "PATCH DELETE", "!"])
def test_a_method_that_is_not_known_is_405_and_nothing_happens(tus, meant):
    url = tus.create(10)
    assert override(tus, meant, url).status == 405
    assert override(tus, meant, headers={"Upload-Length": "10"}).status == 405
    assert tus.offset(url) == 0


def test_the_method_may_be_written_small(tus):
    url = tus.create(10)
    assert append(tus, url, 0, b"hello").status == 204
    answer = override(tus, "patch", url, {"Content-Type": BYTES, "Upload-Offset": "5"}, b"world")
    assert (answer.status, answer.offset) == (204, 10)
