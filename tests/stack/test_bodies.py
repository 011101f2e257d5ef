"""Bodies that are not what was announced: the right problem, nothing visible, and the sender may come again."""

import base64
import hashlib
import http.client
import json

import pytest

from tests.curl import bearer, curl
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20


@pytest.fixture
def state_of(stack):
    return lambda token: curl(stack, "/u", *bearer(token)).json()


def test_a_body_shorter_than_declared_is_never_committed(stack, api, state_of, stored_ids, staged):
    token, before = mint(stack), stored_ids()
    # The client says 32 MiB, sends 16 (more than nginx holds, so that they have reached the store) and hangs up.
    with pytest.raises(ConnectionError):
        api.put(token, _then_hang_up(bytes(16 * MIB)), length=32 * MIB)
    state = wait_for(lambda: (s := state_of(token))["state"] == "waiting" and s)
    (upload,) = state["uploads"]
    assert upload["problem"]["code"] == "body_cut_off"
    assert 0 < upload["offset"] == upload["taken"] <= 16 * MIB and upload["length"] == 32 * MIB
    assert stored_ids() == before
    assert upload["upload_id"] in staged()


def test_after_a_cut_off_body_the_same_token_stores_the_file(stack, api, state_of, staged):
    token = mint(stack)
    with pytest.raises(ConnectionError):
        api.put(token, _then_hang_up(bytes(16 * MIB)), length=32 * MIB)
    first = wait_for(lambda: (s := state_of(token))["state"] == "waiting" and s)["uploads"][0]["upload_id"]
    assert api.put(token, bytes(32 * MIB)).status == 201
    uploads = state_of(token)["uploads"]
    assert [upload["state"] for upload in uploads] == ["aborted", "committed"]
    assert uploads[0]["upload_id"] == first and uploads[0]["problem"]["code"] == "superseded"
    assert not {upload["upload_id"] for upload in uploads} & staged()


def test_bytes_beyond_the_declared_length_are_not_part_of_the_file(stack, api):
    told = api.put(mint(stack), b"0123456789surplus", length=10)
    assert told.status == 201
    assert told.json()["sha256"] == hashlib.sha256(b"0123456789").hexdigest()


def test_a_put_without_length_is_411(stack):
    answer = curl(stack, "/u", "-X", "PUT", *bearer(mint(stack)))
    assert (answer.status, answer.json()["code"]) == (411, "length_required")


def test_an_empty_file_is_a_file(stack, api):
    told = api.put(mint(stack), b"")
    assert (told.status, told.json()["sha256"]) == (201, hashlib.sha256(b"").hexdigest())


def test_a_chunked_body_is_stored_whole(stack, api):
    parts = [b"x" * size for size in (1, 100_000, 3 * MIB, 17)]
    told = api.put(mint(stack), parts, chunked=True)
    assert told.status == 201
    assert told.json()["sha256"] == hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_chunked_body_that_ends_early_is_never_committed(stack, api, state_of, stored_ids):
    token, before = mint(stack), stored_ids()
    with pytest.raises(ConnectionError):
        api.put(token, _then_hang_up(bytes(16 * MIB)), chunked=True)
    (upload,) = wait_for(lambda: (s := state_of(token))["state"] == "waiting" and s)["uploads"]
    assert upload["problem"]["code"] == "body_cut_off" and upload["length"] is None
    assert stored_ids() == before


def test_a_chunked_body_over_the_bound_is_413_at_the_byte_thirty_times_of_thirty(stack, big_file, stored_ids):
    token, before = mint(stack, max_size=20 * MIB), stored_ids()
    chunked = ("-H", "Transfer-Encoding: chunked", "-H", "Expect:")
    answers = [curl(stack, "/u", "-T", str(big_file), *chunked, *bearer(token)) for _ in range(30)]
    assert [(a.status, a.json()["code"]) for a in answers] == [(413, "too_large")] * 30
    assert stored_ids() == before


@pytest.mark.parametrize("declared", [5, 7])
def test_another_length_than_the_grant_names_is_422(stack, api, declared):
    answer = api.put(mint(stack, length=6), bytes(declared))
    assert (answer.status, answer.json()["code"]) == (422, "length_differs")


@pytest.mark.parametrize("in_one", [True, False], ids=["in one", "in two"])
@pytest.mark.parametrize(
    ("granted", "said", "told"),
    [(6, {}, (422, "length_differs")), (None, {"Upload-Length": "6"}, (400, "inconsistent_length"))],
    ids=["the grant", "the sender"],
)
def test_a_chunked_body_of_another_length_than_was_named_is_told_so_however_it_comes(stack, api, state_of, in_one, granted, said, told):
    """nginx passes one that it has whole already on with its length, which nobody named."""
    token = mint(stack, length=granted) if granted else mint(stack)
    fields = {"Host": "localhost", "Connection": "close", "Transfer-Encoding": "chunked", "Authorization": f"Bearer {token}", **said}
    head = "PUT /u HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    with api.connect() as plain, api.context.wrap_socket(plain, server_hostname="localhost") as wire:
        if in_one:
            wire.sendall(head.encode() + b"5\r\n12345\r\n0\r\n\r\n")
        else:
            wire.sendall(head.encode() + b"5\r\n12345\r\n")
            wait_for(lambda: state_of(token)["uploads"])
            wire.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert (answer.status, json.loads(answer.read())["code"]) == told


def test_a_digest_claim_that_differs_is_400_and_nothing_becomes_visible(stack, api, state_of, stored_ids, staged):
    token, before = mint(stack, sha256=hashlib.sha256(b"expected").hexdigest()), stored_ids()
    answer = api.put(token, b"other bytes")
    assert (answer.status, answer.json()["code"]) == (400, "digest_differs")
    assert stored_ids() == before
    assert state_of(token)["state"] == "aborted"
    assert not staged() & {upload["upload_id"] for upload in state_of(token)["uploads"]}
    assert api.put(token, b"expected").status == 201


@pytest.mark.parametrize("field", ["Repr-Digest", "Content-Digest"])
def test_a_digest_field_of_the_sender_is_checked(stack, api, field):
    token = mint(stack)
    wrong = base64.b64encode(hashlib.sha256(b"expected").digest()).decode()
    answer = api.put(token, b"other bytes", headers={field: f"sha-256=:{wrong}:"})
    assert (answer.status, answer.json()["code"]) == (400, "digest_differs")
    assert api.put(token, b"expected", headers={field: f"sha-256=:{wrong}:"}).status == 201


def test_the_type_is_read_from_the_bytes_and_not_from_content_type(stack, api):
    token = mint(stack, media_types=["image/png"])
    answer = api.put(token, b"plain words\n" * 20_000, headers={"Content-Type": "image/png"})
    assert (answer.status, answer.json()["code"], answer.json()["detected"]) == (415, "type_refused", "text/plain")
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)
    assert api.put(token, png, headers={"Content-Type": "text/plain"}).json()["media_type"] == "image/png"


def _then_hang_up(content: bytes):
    yield content
    raise ConnectionError("the client is gone")
