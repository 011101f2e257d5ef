"""tus 1.0.0, Core Protocol, "PATCH": the offset holds also when several requests want the same upload."""

import os
from concurrent.futures import ThreadPoolExecutor

from tests.tus.client import checksum
from tests.waiting import wait_for

# 409: the offset moved; 423: somebody else is writing; both change nothing.
REFUSED = {409, 423}


def test_of_appends_at_the_same_offset_one_wins_and_none_is_mixed_with_another(tus):
    url, bodies = tus.create(200_000), [bytes([65 + number]) * 100_000 for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: tus.patch(url, 0, body, checksum(body)), bodies))
    won = [body for body, answer in zip(bodies, answers, strict=True) if answer.status == 204]
    assert len(won) == 1
    assert {answer.status for answer in answers} <= REFUSED | {204}
    assert tus.offset(url) == 100_000
    assert tus.patch(url, 100_000, b"-" * 100_000).status == 204
    assert tus.stored(url) == won[0] + b"-" * 100_000


def test_head_during_an_append_tells_an_offset_that_holds(tus):
    body = os.urandom(1_000_000)
    url = tus.create(len(body))

    def ask():
        wait_for(lambda: tus.state(url)["state"] == "receiving")
        answer = tus.head(url)
        assert answer.status == 200
        assert tus.patch(url, answer.offset, body[answer.offset :]).status == 204

    tus.patch(url, 0, body, cut_after=400_000, before_cut=ask)
    assert tus.stored(url) == body


def test_a_termination_ends_an_append_that_is_running(tus):
    url = tus.create(1_000_000)

    def terminate():
        wait_for(lambda: tus.state(url)["state"] == "receiving")
        assert tus.delete(url).status == 204

    tus.patch(url, 0, b"x" * 1_000_000, cut_after=400_000, before_cut=terminate)
    assert tus.head(url).status == 410
    assert not (tus.stack.nas / "staging" / url.rpartition("/")[2]).exists()


def test_an_append_that_was_taken_over_may_go_on_at_the_offset_that_it_is_told(tus):
    body = os.urandom(2_000_000)
    url = tus.create(len(body))
    for _ in range(3):
        at = tus.offset(url)
        half = at + (len(body) - at) // 2

        def runs():
            wait_for(lambda: tus.state(url)["state"] == "receiving")

        tus.patch(url, at, body[at:], cut_after=half - at, before_cut=runs)
    at = tus.offset(url)
    assert tus.patch(url, at, body[at:]).status == 204
    assert tus.stored(url) == body
