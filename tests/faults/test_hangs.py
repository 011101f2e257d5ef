"""A process that hangs is told as that, and not as a store that failed; it goes on where it stood."""

import os
import signal

import pytest

from dev.client import Client
from dev.stack import Stack
from tests.tokens import mint


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("hangs")) as stack:
        yield stack


@pytest.mark.parametrize("name", ["uploads", "control"])
def test_a_listener_that_was_stopped_is_told_as_no_answer_and_takes_the_next_upload_when_it_goes_on(own, name):
    client, token = Client(own.edge_port, own.keys.edge_ca), mint(own)
    stopped = own.pids(name)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        reply = client.put(token, b"content")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert (reply.status, reply.json()["code"], reply.headers["Retry-After"]) == (503, "no_answer", "30")
    assert client.put(token, b"content").status == 201
