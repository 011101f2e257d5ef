"""Contents that were slow to judge: some send them side by side, and the others are served."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.curl import bearer, curl
from tests.tokens import mint
from tests.waiting import wait_for

AT_ONCE = 8  # so many are judged at once (CONTROL_THREADS is 16): with more, a slow machine refuses the rest as busy
# Each cost seconds, or a third of one under a lock that all share.
COSTLY = {"comments in one line": b"#!" * 32_768, "lines that are no text": b"\xef\xbb\xbf\xff" + b"\n" * 65_532}


@pytest.mark.parametrize("content", COSTLY.values(), ids=COSTLY)
def test_contents_that_are_slow_to_judge_keep_nobody_waiting(own, bystander, content):
    """Asked about by many persons side by side, whatever they cost."""
    length, kind = ("--header", f"Upload-Length: {len(content)}"), ("--header", "Content-Type: application/octet-stream")
    said = (*length, *kind, "--request", "POST", "--data-binary", "@-")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [
            pool.submit(curl, own, "/u/check", *said, *bearer(mint(own, sub=f"greedy-{number}")), time_limit=30, stdin=content)
            for number in range(60)
        ]
        began = time.monotonic()
        wait_for(lambda: any(each.done() for each in asked))
        assert bystander.uploads()
        answers = [each.result() for each in asked]
    assert {(answer.status, answer.body) for answer in answers} == {(204, b"")}, "each was judged"
    assert time.monotonic() - began < 10
