"""The NAS hangs, and a crowd asks for what needs it: what needs no NAS is answered all the same."""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

from dev import health
from dev.client import Client
from tests.curl import bearer, curl
from tests.tokens import mint
from tests.waiting import wait_for

CROWD = 24  # CONTROL_THREADS is 16
SOON = 3.0  # seconds
HEAD = ("--head", "--header", "Tus-Resumable: 1.0.0")


@contextlib.contextmanager
def hanging(nas):
    """Whoever looks for the sentinel waits at a pipe, as in a call to a server that does not answer."""
    sentinel = nas / ".sluice-store"
    aside = sentinel.rename(nas / ".aside")
    os.mkfifo(sentinel)
    try:
        yield
    finally:
        pipe = os.open(sentinel, os.O_RDWR | os.O_NONBLOCK)  # lets all who wait go on
        aside.rename(sentinel)
        os.close(pipe)  # to an end of the file


def waiting_upload(own, token: str) -> str:
    """Of which some bytes are safe, so that a question for its offset looks at the store."""
    said = ("Tus-Resumable: 1.0.0", "Upload-Length: 9", "Content-Type: application/offset+octet-stream")
    options = [option for line in said for option in ("--header", line)]
    made = curl(own, "/u", "--data-binary", "1234", *options, *bearer(token))
    assert made.status == 201, made
    return made.headers["location"].rpartition("/")[2]


def test_a_crowd_that_waits_for_a_nas_that_hangs_leaves_threads_for_all_that_needs_none(own, bystander):
    stored, token = mint(own), mint(own, sub="greedy")
    receipt = Client(own.edge_port, own.keys.edge_ca).put(stored, b"content").json()
    asked = waiting_upload(own, token)
    with ThreadPoolExecutor(CROWD) as pool, hanging(own.nas):
        crowd = [
            pool.submit(curl, own, f"/u/{asked}", *HEAD, *bearer(token), "--interface", f"127.0.2.{number}", time_limit=12)
            for number in range(1, CROWD + 1)
        ]
        began = time.monotonic()
        wait_for(lambda: sum(each.done() for each in crowd) >= CROWD // 4 or time.monotonic() > began + SOON)
        began = time.monotonic()
        finished = curl(own, f"/u/{receipt['upload_id']}", *bearer(stored), time_limit=10)
        assert finished.status == 200 and finished.json()["receipt"] == receipt["receipt"]
        assert health.control_is_alive(own.control_port, own.keys)
        assert time.monotonic() - began < SOON
        refused = curl(own, f"/u/{asked}", *HEAD, *bearer(token), time_limit=10)
        assert refused.status == 423 and refused.seconds < 1, refused  # 503, as it is told to a client of tus
    assert bystander.uploads()
