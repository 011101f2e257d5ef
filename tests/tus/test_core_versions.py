"""tus 1.0.0, Core Protocol, "Tus-Resumable" and "Tus-Version"."""

import uuid

import pytest

from tests.tokens import mint
from tests.tus.client import Tus

OTHERS = ["0.2.2", "1.0", "1.0.1", "2.0.0", "1.0.0, 1.0.0", "v1.0.0", "1"]


@pytest.mark.parametrize("version", OTHERS)
def test_another_version_is_412_with_the_versions_that_are_spoken(tus, version):
    url = tus.create(10)
    answers = [
        tus.head(url, version=version),
        tus.patch(url, 0, b"hello", version=version),
        tus.delete(url, version=version),
        tus.post({"Upload-Length": "10"}, version=version),
    ]
    assert [(answer.status, answer["Tus-Version"]) for answer in answers] == [(412, "1.0.0")] * 4
    assert all(answer.offset is None for answer in answers)
    assert tus.offset(url) == 0


def test_a_creation_in_another_version_creates_nothing(single):
    url = single.create(10)
    assert single.post({"Upload-Length": "10"}, version="0.2.2").status == 412
    # One more creation would have taken the place of this one.
    assert single.patch(url, 0, b"helloworld").status == 204
    assert single.stored(url) == b"helloworld"


def test_a_deletion_in_another_version_deletes_nothing(tus):
    url = tus.create(10)
    assert tus.delete(url, version="0.2.2").status == 412
    assert tus.patch(url, 0, b"helloworld").status == 204


@pytest.mark.parametrize("headers", [{"Upload-Length": "-5"}, {}, {"Upload-Length": str(1 << 60)}])
def test_the_version_is_judged_before_anything_else_that_is_wrong(tus, headers):
    assert tus.post(headers, version="2.0.0").status == 412
    assert tus.patch(tus.create(10), "x", b"hello", {"Content-Type": "a/b"}, version="2.0.0").status == 412
    assert tus.patch(f"{tus.url}/{uuid.uuid4()}", 0, b"hello", version="2.0.0").status == 412


@pytest.mark.parametrize(
    "headers", [{"Upload-Length": "10"}, {"Upload-Defer-Length": "1"}, {"Upload-Concat": "partial"}]
)
def test_a_creation_without_a_version_is_412(tus, headers):
    answer = tus.post(headers, version=None)
    assert (answer.status, answer["Tus-Version"]) == (412, "1.0.0")


def test_an_append_without_a_version_is_412(tus):
    url = tus.create(10)
    answer = tus.patch(url, 0, b"hello", version=None)
    assert (answer.status, answer["Tus-Version"], answer["Tus-Resumable"]) == (412, "1.0.0", "1.0.0")
    assert tus.offset(url) == 0


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_a_question_without_a_version_is_412_and_changes_nothing(tus, method):
    """Core, "Tus-Resumable": in every request but OPTIONS."""
    url = tus.create(10)
    answer = tus.ask(method, url, version=None)
    assert (answer.status, answer["Tus-Version"], answer["Tus-Resumable"], answer.offset) == (412, "1.0.0", "1.0.0", None)
    assert tus.offset(url) == 0


def test_get_is_no_verb_of_tus_and_shows_the_state_to_whoever_asks(tus):
    url = tus.create(10)
    answer = tus.ask("GET", url, version=None)
    assert (answer.status, answer["Tus-Resumable"]) == (200, "1.0.0")


def test_a_put_that_names_another_version_is_not_taken_for_a_whole_file(single):
    answer = single.ask("PUT", None, body=b"hello", version="0.2.2")
    assert (answer.status, answer["Tus-Version"], single.state()["uploads"]) == (412, "1.0.0", [])


def test_refusals_of_nginx_name_the_version(stack, tus):
    # The client looks at Tus-Resumable in every answer; these never get as far as the services tier.
    assert tus.ask("BREW").status == 405
    assert tus.ask("PATCH").status == 405
    assert tus.ask("HEAD", f"{tus.url}?x").status == 404
    assert tus.head(tus.url + "/nothing").status == 404
    assert tus.ask("GET", headers={"Content-Length": "5"}, body=b"hello").status == 400
    assert tus.head(f"/u/{tus.token}", headers={"Authorization": f"Bearer {tus.token}"}).status == 400
    assert Tus(stack, "not-a-token").post({"Upload-Length": "5"}).status == 401
    assert Tus(stack, mint(stack, collection="nowhere")).post({"Upload-Length": "5"}).status == 403
    assert tus.post({"Upload-Length": str(1 << 60)}).status == 413


def test_refusals_of_the_services_tier_name_the_version(tus):
    assert tus.head(f"{tus.url}/{uuid.uuid4()}").status == 404
    assert tus.post().status == 400
    assert tus.patch(tus.create(10), 5, b"hello").status == 409
