"""One token, one grant: at most the committed objects that it allows (invariant 4)."""

import threading
from concurrent.futures import ThreadPoolExecutor

from dev.client import Client
from tests.curl import bearer, curl
from tests.tokens import mint, uuid7


def test_a_replay_after_the_commit_is_409_and_points_to_the_receipt(stack, api, stored_ids):
    token = mint(stack)
    told = api.put(token, b"content").json()
    before = stored_ids()
    again = api.put(token, b"content")
    assert (again.status, again.json()["code"]) == (409, "already_committed")
    assert stored_ids() == before
    assert curl(stack, "/u", *bearer(token)).json()["uploads"][0]["receipt"] == told["receipt"]


def test_twenty_parallel_puts_of_one_token_make_one_object(stack, stored_ids):
    token, before = mint(stack), stored_ids()
    gate = threading.Barrier(20)

    def put(number: int):
        gate.wait()
        client = Client(stack.edge_port, stack.keys.edge_ca)
        reply = client.put(token, bytes([number]) * 3_000_000, name=f"{number}.bin")
        return reply.status, reply.json()

    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(put, range(20)))
    won = [body for status, body in replies if status == 201]
    lost = [body["code"] for status, body in replies if status != 201]
    assert len(won) == 1
    assert len(lost) == 19
    assert set(lost) <= {"upload_in_progress", "already_committed"}
    assert stored_ids() - before == {won[0]["upload_id"]}
    content = stack.stored(won[0]["upload_id"]).read_bytes()
    assert len(content) == 3_000_000
    assert len(set(content)) == 1, "bytes of two requests are mixed"


def test_a_grant_for_three_uploads_takes_three(stack, api):
    token = mint(stack, max_uploads=3)
    assert [api.put(token, b"content").status for _ in range(4)] == [201, 201, 201, 409]


def test_an_unused_token_is_worthless_after_start_by(stack, api):
    answer = api.put(mint(stack, start_by=1), b"content")
    assert (answer.status, answer.json()["code"]) == (401, "token_start_by")


def test_a_token_bound_to_a_browser_is_worthless_without_its_cookie(stack, api, stored_ids):
    token, before = mint(stack, cnf={"cookie_sha256": "A" * 43}), stored_ids()
    for cookie in ({}, {"Cookie": "__Host-sluice-binding=" + "B" * 43}):
        for answer in (api.put(token, b"content", headers=cookie), api.send("GET", f"/u/{token}", [], 0, cookie)):
            assert (answer.status, answer.json()["code"]) == (401, "token_binding")
    assert stored_ids() == before


def test_a_token_for_one_upload_starts_no_other(stack, api):
    answer = api.put(mint(stack, upload_id=str(uuid7())), b"content")
    assert (answer.status, answer.json()["code"]) == (403, "upload_not_yours")
