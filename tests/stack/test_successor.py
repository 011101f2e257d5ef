"""With sockets from systemd no connection is refused while a process is stopped and started, or has a successor (ADR 0023)."""

import contextlib
import os
import socket
import sys
import threading

import pytest

from dev.client import Client
from dev.processes import Service
from dev.stack import Stack
from tests.stack.running import running_upload
from tests.waiting import wait_for

# What systemd does: the socket as descriptor 3, and whose it is.
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("successor")) as stack, contextlib.ExitStack() as sockets:
        for name in ("uploads", "control", "web_app"):
            stack.stop_process(name)
            listening = sockets.enter_context(listen(stack, name))
            service = stack.services[name]
            service.pass_fds = (listening.fileno(),)
            service.command = [sys.executable, "-c", ACTIVATED, str(listening.fileno()), *service.command]
            stack.start_process(name, wait=False)
        stack.wait_until_healthy()
        yield stack


def listen(stack, name: str) -> socket.socket:
    if name == "web_app":
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(os.fspath(stack.web_socket))
    else:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", stack.uploads_port if name == "uploads" else stack.control_port))
    listening.listen(1024)
    return listening


class Senders:
    """Four of them ask for a grant and send a small file, again and again, until the end of the block."""

    def __init__(self, stack):
        self.stack, self.told, self._end = stack, [], threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(4)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_exc):
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for_more(self, count: int = 8) -> None:
        wanted = len(self.told) + count
        wait_for(lambda: len(self.told) >= wanted, 60)

    def _send(self):
        client = Client(self.stack.edge_port, self.stack.keys.edge_ca, self.stack.api_key)
        while not self._end.is_set():
            try:
                grant = client.call("POST", "/api/v1/uploads", {"collection": self.stack.collection})
                reply = client.put(grant.json()["token"], b"content") if grant.status == 201 else grant
                self.told.append((reply.status, reply.json().get("code")))
            except OSError as exc:
                self.told.append((type(exc).__name__, None))


@pytest.mark.parametrize("name", ["control", "uploads", "web_app"])
def test_in_a_stop_and_start_nobody_is_refused(own, name):
    with Senders(own) as senders:
        for _ in range(2):
            assert own.stop_process(name) == 0
            own.start_process(name)
            senders.wait_for_more()
    assert set(senders.told) == {(201, None)}


def test_the_successor_of_the_uploads_listener_serves_at_once_and_the_old_one_finishes_its_bodies(own):
    old = own.services["uploads"]
    successor = Service("uploads", old.command, old.env, old.log)
    successor.pass_fds = old.pass_fds
    with running_upload(own), Senders(own) as senders:
        successor.start()
        old.ask_to_stop()
        senders.wait_for_more(16)
        assert old.is_running()
    own.services["uploads"] = successor
    assert set(senders.told) == {(201, None)}
    assert old.wait(30) == 0


def test_web_app_does_not_start_on_a_tcp_socket(own):
    own.stop_process("web_app")
    service, usual = own.services["web_app"], own.services["web_app"].pass_fds
    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            service.command[3], service.pass_fds = str(listening.fileno()), (listening.fileno(),)
            before = service.log.stat().st_size
            service.start()
            wait_for(lambda: not service.is_running(), 30)
            assert b"no unix socket" in service.log.read_bytes()[before:]
        finally:
            service.command[3], service.pass_fds = str(usual[0]), usual
            own.start_process("web_app")
