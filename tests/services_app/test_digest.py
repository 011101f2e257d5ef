"""The digest of an upload goes on between requests, and is made again from the bytes where its state is lost."""

import hashlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services_app.store.digest import Digest, Sha256, Sha512
from services_app.store.errors import StoreUnavailable
from services_app.uploads import actions, errors
from services_app.uploads.content import prefix, receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import takeover
from tests.services_app.making import announced, begun, claims_object, named, now_of, request_body, some_uuid

KINDS = pytest.mark.parametrize("kind", [Sha256, Sha512])


def fed(*pieces: bytes, digest: Digest | None = None) -> Digest:
    digest = digest or Sha256()
    for piece in pieces:
        digest.update(memoryview(bytearray(piece)))
    return digest


@KINDS
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_in_any_pieces_with_a_saved_state_between_them_it_is_the_digest_of_the_whole(kind, pieces):
    digest = kind()
    for piece in pieces:
        digest = fed(piece, digest=kind(digest.state()))
    assert digest.hexdigest() == hashlib.new(kind.name, b"".join(pieces)).hexdigest()


def test_asking_for_the_digest_does_not_end_it():
    digest = fed(b"abc")
    assert digest.hexdigest() == digest.hexdigest() == hashlib.sha256(b"abc").hexdigest()
    assert fed(b"def", digest=digest).hexdigest() == hashlib.sha256(b"abcdef").hexdigest()


def test_a_saved_state_is_a_copy():
    digest = fed(b"abc")
    saved = digest.state()
    fed(b"def", digest=digest)
    assert Sha256(saved).hexdigest() == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "state", [b"", b"x", fed(b"a").state()[:-1], fed(b"a").state() + b"x", b"sha256:libcrypto:2:", Sha512().state()]
)
def test_what_is_no_state_of_ours_is_refused(state):
    with pytest.raises(ValueError, match="sha256"):
        Sha256(state)


@KINDS
def test_more_bits_than_a_word_holds_are_counted(kind):
    # The count of bits is kept in two words; a state that lost one would show only beyond 512 MiB.
    block, ours, theirs = bytearray(32 << 20), kind(), hashlib.new(kind.name)
    for _ in range(17):
        ours = kind(ours.state())
        ours.update(memoryview(block))
        theirs.update(block)
    assert ours.hexdigest() == theirs.hexdigest()


@pytest.fixture
def staged(store):
    with store.stage(some_uuid()) as file:
        yield file


def test_a_lost_prefix_is_read_back_while_more_comes(staged):
    first, more = os.urandom(3 << 20), os.urandom(1 << 20)
    staged.write(memoryview(first))
    digest = prefix.FollowingDigest(staged)
    digest.update(memoryview(bytearray(more)))
    staged.write(memoryview(more))
    assert digest.hexdigest() == hashlib.sha256(first + more).hexdigest()
    assert Sha256(digest.state()).hexdigest() == hashlib.sha256(first + more).hexdigest()


def test_before_it_has_caught_up_it_has_no_state_and_keeps_nobody_waiting(staged, monkeypatch):
    reading, real = threading.Event(), staged.read

    def slow(buffer, offset):
        assert reading.wait(10)
        return real(buffer, offset)

    monkeypatch.setattr(staged, "read", slow)
    staged.write(memoryview(b"prefix"))
    digest = prefix.FollowingDigest(staged)
    assert digest.state() == b""
    staged.write(memoryview(b" and more"))
    reading.set()
    assert digest.hexdigest() == hashlib.sha256(b"prefix and more").hexdigest()
    staged.write(memoryview(b"!"))
    assert digest.state() == b"", "a state of fewer bytes than are promised would be a wrong one"


def test_a_prefix_that_ends_early_is_a_fault_of_the_store(staged):
    staged.write(memoryview(b"abc"))
    staged.size = 5
    with pytest.raises(StoreUnavailable):
        prefix.FollowingDigest(staged).hexdigest()


def test_reading_back_ends_with_the_file(store):
    with store.stage(some_uuid()) as file:
        file.write(memoryview(b"abc"))
    with pytest.raises(StoreUnavailable):
        file.read(memoryview(bytearray(3)), 0)


@pytest.mark.django_db
@pytest.mark.parametrize("state", [None, b"", b"of another make"])
def test_an_upload_whose_state_is_lost_is_committed_with_the_right_digest(known_store, caplog, state):
    claims = claims_object()
    upload = begun(claims, announced(None))
    receive.receive(upload, request_body(b"first"), claims, receive.Append())
    Upload.objects.update(digest_state=state)
    receive.receive(takeover.seize(now_of(upload)), request_body(b"-second"), claims, receive.Append())
    Upload.objects.update(digest_state=state)
    last = takeover.seize(now_of(upload))
    receive.receive(last, request_body(b"-third"), claims, receive.Append(final=True))
    assert last.sha256 == hashlib.sha256(b"first-second-third").hexdigest()
    assert known_store.path(actions.object_name(last)).read_bytes() == b"first-second-third"
    assert "digest state lost" in [record.message for record in caplog.records]


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_a_sha_512_of_the_whole_is_compared_at_the_end_of_several_requests(lost, right):
    digest = hashlib.sha512(b"first-second" if right else b"another").digest()
    claims = claims_object()
    upload = begun(claims, announced(None, digests=(named("sha512", digest),)))
    receive.receive(upload, request_body(b"first"), claims, receive.Append())
    assert Sha512(bytes(now_of(upload).sha512_state)).hexdigest() == hashlib.sha512(b"first").hexdigest()
    if lost:
        Upload.objects.update(sha512_state=None)
    last = takeover.seize(now_of(upload))
    if right:
        receive.receive(last, request_body(b"-second"), claims, receive.Append(final=True))
        assert last.receipt
    else:
        with pytest.raises(errors.DigestDiffers):
            receive.receive(last, request_body(b"-second"), claims, receive.Append(final=True))


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
def test_where_no_sha_512_was_announced_none_is_made():
    claims = claims_object()
    upload = begun(claims, announced(None))
    receive.receive(upload, request_body(b"first"), claims, receive.Append())
    assert now_of(upload).sha512_state is None
