"""Section 10 Integrity Digests."""

import base64
import hashlib

import pytest

from tests.ietf.speaker import PROBLEM

BODY = b" world"


def field(algorithm: str, content: bytes) -> str:
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])


@ALGORITHMS
def test_an_append_with_its_content_digest_is_taken(begun, algorithm):
    assert begun.append(5, BODY, content_digest=field(algorithm, BODY)).status == 204
    assert begun.offset() == 11


@ALGORITHMS
@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_content_that_differs_from_its_digest_is_not_appended_and_the_failure_is_told(
    begun, stored, algorithm, complete
):
    reply = begun.append(5, BODY, complete=complete, content_digest=field(algorithm, b" WORLD"))
    assert (reply.status, reply.headers["Upload-Complete"]) == (400, "?0")
    problem = reply.json()
    assert (problem["code"], problem["type"]) == ("checksum_differs", PROBLEM + "digest-mismatched-values")
    provided = field(algorithm, b" WORLD").partition("=")[2]
    assert problem["mismatched_digests"] == [{"algorithm": algorithm, "provided_digest": provided, "header": "Content-Digest"}]
    assert begun.offset() == 5
    assert begun.append(5, BODY, complete="?1", content_digest=field(algorithm, BODY)).status == 201
    assert stored(begun.location) == b"hello world"


@ALGORITHMS
def test_a_creation_with_content_that_differs_from_its_digest_stores_nothing(client, algorithm):
    reply = client.create(b"hello", content_digest=field(algorithm, b"HELLO"))
    assert (reply.status, reply.headers["Upload-Complete"]) == (400, "?0")
    assert client.create(b"hello", content_digest=field(algorithm, b"hello")).status == 201
    assert client.offset() == 5


@pytest.mark.parametrize("name", ["content_digest", "repr_digest", "patched_digest"])
def test_a_digest_of_an_unknown_kind_alone_is_refused_and_changes_nothing(begun, name):
    reply = begun.append(5, BODY, **{name: "unixsum=:AAAA:, foo=1"})
    assert (reply.status, reply.json()["code"]) == (400, "checksum_unsupported")
    assert reply.json()["type"] == PROBLEM + "digest-unsupported-algorithms"
    assert begun.offset() == 5


def test_the_known_one_among_several_is_compared(begun):
    for content, status in ((b"other", 400), (BODY, 204)):
        assert begun.append(5, BODY, content_digest=f"unixsum=:AAAA:, {field('sha-256', content)};a=1").status == status


@pytest.mark.parametrize("wrong", ["sha-256", "sha-512"])
def test_of_several_digests_each_is_compared(begun, wrong):
    both = ", ".join(field(name, b"other" if name == wrong else BODY) for name in ("sha-256", "sha-512"))
    assert begun.append(5, BODY, content_digest=both).status == 400
    assert begun.append(5, BODY, content_digest=both.replace(field(wrong, b"other"), field(wrong, BODY))).status == 204


def test_two_digests_of_one_kind_that_differ_contradict_each_other_whichever_is_last(begun):
    """Stricter than RFC 9651, section 4.2.2, where the last one counts (ADR 0015): one of the two was meant to be compared."""
    good, bad = field("sha-256", BODY), field("sha-256", b"other")
    for both in (f"{good}, {bad}", f"{bad}, {good}"):
        assert begun.append(5, BODY, content_digest=both).status == 400
    assert begun.append(5, BODY, content_digest=f"{good}, {good}").status == 204


def test_in_a_patch_a_repr_digest_is_of_the_patch(begun, stored):
    """RFC 9530, section 3: of what is enclosed."""
    reply = begun.append(5, BODY, complete="?1", repr_digest=field("sha-256", b"hello" + BODY))
    assert (reply.status, reply.json()["code"], reply.headers["Upload-Complete"]) == (400, "checksum_differs", "?0")
    assert begun.offset() == 5
    assert begun.append(5, BODY, complete="?1", repr_digest=field("sha-256", BODY)).status == 201
    assert stored(begun.location) == b"hello world"


def test_a_patched_digest_is_of_the_whole_after_the_patch_and_costs_that_patch_alone(begun, nothing_stored, stored):
    """draft-pardue-httpbis-patched-digest."""
    assert begun.append(5, b" wo", patched_digest=field("sha-256", b"hello wo")).status == 204
    reply = begun.append(8, b"rld", complete="?1", patched_digest=field("sha-256", b"hello WORLD"))
    assert (reply.status, reply.json()["code"], reply.headers["Upload-Complete"]) == (400, "digest_differs", "?0")
    nothing_stored(begun.location.rsplit("/", 1)[1])
    assert begun.offset() == 8
    assert begun.append(8, b"rld", complete="?1", patched_digest=field("sha-256", b"hello world")).status == 201
    assert stored(begun.location) == b"hello world"


@pytest.mark.parametrize("value", ["sha-256=abc", "sha-256=:AAAA:", "sha-512", "SHA-256=:!!:", "sha-256=::"])
def test_a_digest_that_cannot_be_read_is_400_and_changes_nothing(begun, value):
    assert begun.append(5, BODY, content_digest=value).status == 400
    assert begun.offset() == 5


def test_a_whole_upload_that_agrees_with_its_repr_digest_is_stored(client, stored):
    client.create(b"hello", repr_digest=field("sha-256", b"hello world"))
    assert client.append(5, BODY, complete="?1").status == 201
    assert stored(client.location) == b"hello world"


@ALGORITHMS
def test_a_whole_upload_that_differs_from_its_repr_digest_is_not_visible_and_may_have_its_last_bytes_again(
    client, nothing_stored, stored, algorithm
):
    client.create(b"hello", repr_digest=field(algorithm, b"hello world"))
    reply = client.append(5, b" WORLD", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"], reply.json()["code"]) == (400, "?0", "digest_differs")
    assert reply.json()["type"] == PROBLEM + "digest-mismatched-values"
    nothing_stored(client.location.rsplit("/", 1)[1])
    assert client.offset() == 5
    assert client.append(5, BODY, complete="?1").status == 201
    assert stored(client.location) == b"hello world"


@ALGORITHMS
def test_an_upload_whose_promised_bytes_differ_from_its_repr_digest_has_failed(client, nothing_stored, algorithm):
    client.create(b"hello", repr_digest=field(algorithm, b"something else"))
    reply = client.append(5, b"", complete="?1")
    assert (reply.status, reply.headers["Upload-Complete"], reply.json()["code"]) == (400, "?1", "digest_differs")
    assert client.ask().status == 410
    nothing_stored(client.location.rsplit("/", 1)[1])


@ALGORITHMS
def test_one_whole_request_that_differs_from_its_repr_digest_has_failed(client, algorithm):
    reply = client.create(b"hello", complete="?1", repr_digest=field(algorithm, b"something else"))
    assert (reply.status, reply.headers["Upload-Complete"]) == (400, "?1")
    assert client.create(b"hello", complete="?1", repr_digest=field(algorithm, b"hello")).status == 201


@pytest.mark.parametrize("want", [None, "sha-256=1", "sha-256=10, sha-512=3"])
def test_the_final_answer_holds_the_digest_of_the_representation(client, want):
    client.create(b"hello", want_repr_digest=want)
    assert client.append(5, BODY, complete="?1").headers["Repr-Digest"] == field("sha-256", b"hello world")
    assert client.append(11, complete="?1").headers["Repr-Digest"] == field("sha-256", b"hello world")


def test_a_whole_request_is_answered_with_its_digest_too(client):
    reply = client.create(b"hello", complete="?1", want_repr_digest="sha-256=1")
    assert reply.headers["Repr-Digest"] == field("sha-256", b"hello")
