"""tus 1.0.0, "Termination"."""

import uuid

import pytest

from tests.tus.client import upload_id


def gone(tus, url) -> None:
    for answer in (
        tus.head(url),
        tus.ask("GET", url),
        tus.patch(url, 0, b"hello"),
        tus.patch(url, 10),
        tus.delete(url),
    ):
        assert answer.status in (404, 410), answer
        assert answer.offset is None


@pytest.mark.parametrize("offset", [0, 5])
def test_an_unfinished_upload_can_be_terminated(tus, offset):
    url = tus.create(10)
    tus.patch(url, 0, b"x" * offset)
    answer = tus.delete(url)
    assert (answer.status, answer.body) == (204, b"")
    gone(tus, url)


def test_an_upload_of_deferred_length_can_be_terminated(tus):
    url = tus.create()
    assert tus.delete(url).status == 204
    gone(tus, url)


def test_a_complete_upload_can_be_terminated_and_its_file_stays(tus):
    # The receipt was signed. What goes is the upload resource; see docs/upload-api.md.
    url = tus.create(10, body=b"helloworld")
    assert tus.delete(url).status == 204
    gone(tus, url)
    assert tus.stored(url) == b"helloworld"


def test_a_partial_upload_can_be_terminated(tus):
    url = tus.create(5, {"Upload-Concat": "partial"}, b"hello")
    assert tus.delete(url).status == 204
    gone(tus, url)


def test_termination_frees_the_bytes(tus):
    url = tus.create(10, body=b"hello")
    staged = tus.stack.nas / "staging" / upload_id(url)
    assert staged.exists()
    tus.delete(url)
    assert not staged.exists()


@pytest.mark.parametrize("version", [None, "0.2.2"])
def test_without_its_version_nothing_is_terminated(tus, version):
    url = tus.create(10, body=b"hello")
    answer = tus.delete(url, version=version)
    assert (answer.status, answer["Tus-Version"], answer["Tus-Resumable"]) == (412, "1.0.0", "1.0.0")
    assert tus.offset(url) == 5


def test_an_unknown_upload_cannot_be_terminated(tus):
    assert tus.delete(f"{tus.url}/{uuid.uuid4()}").status == 404


def test_a_termination_may_have_a_content_length_of_0(tus):
    assert tus.delete(tus.create(10), headers={"Content-Length": "0"}).status == 204


def test_what_was_terminated_can_be_begun_anew(single):
    url = single.create(10, body=b"hello")
    single.delete(url)
    assert single.stored(single.create(5, body=b"hello")) == b"hello"


def test_a_terminated_file_does_not_renew_the_token(single):
    single.delete(single.create(5, body=b"hello"))
    assert single.post({"Upload-Length": "5"}).status == 409


def test_the_token_can_not_be_terminated(tus):
    assert tus.ask("DELETE").status == 405
