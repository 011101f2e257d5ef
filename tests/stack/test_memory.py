"""What a body leaves in the memory of the processes that it passed through, once its request has ended. Read from /proc/PID/mem."""

import re
import secrets
import socket
import ssl
from pathlib import Path

import pytest

from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20


class Body:
    """A file that says one thing over and over, which nobody else ever sent. No text: of what is looked at line by line, Python keeps
    the lines (docs/threat-model.md).
    """

    def __init__(self, size: int):
        self.marker = secrets.token_hex(24).encode()
        line = b"patient " + self.marker + b"\0"
        self.content = (line * (size // len(line) + 1))[:size]

    def left_in(self, pids: list[int]) -> int:
        """How often it is found there."""
        return sum(_count(pid, self.marker) for pid in pids)


def _count(pid: int, needle: bytes) -> int:
    found = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(part, 16) for part in re.match(r"(\w+)-(\w+) r", line).groups()) if " r" in line else (0, 0)
            try:
                memory.seek(begin)
                found += memory.read(end - begin).count(needle)
            except (OSError, ValueError, OverflowError):
                continue  # not memory
    return found


def send(stack, request: str, body: Body, pids: list[int]) -> int:
    """Send it, with a pause in the middle; how often it was found there during the pause. Fails unless it is taken."""
    context = ssl.create_default_context(cafile=stack.keys.edge_ca)
    with socket.create_connection(("127.0.0.1", stack.edge_port), 30) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            head = f"{request}\r\nHost: localhost\r\nContent-Length: {len(body.content)}\r\nConnection: close\r\n\r\n"
            half = len(body.content) // 2
            connection.sendall(head.encode() + body.content[:half])
            during = wait_for(lambda: body.left_in(pids))
            connection.sendall(body.content[half:])
            answer = connection.makefile("rb").read()
    assert answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 204")), answer[:300]
    return during


LEFT = 2048  # bytes: blocks of a kilobyte and less are not overwritten


@pytest.mark.parametrize(
    ("request_line", "size", "process"),
    [
        ("PUT /u/{token} HTTP/1.1", 8 * MIB, "uploads"),
        ("POST /u/{token}/check HTTP/1.1\r\nUpload-Length: 300000", 60_000, "nginx"),
        ("PUT /u/{token} HTTP/1.1", 8 * MIB, "nginx"),
    ],
)
def test_a_body_is_not_left_in_memory_when_its_request_has_ended(stack, request_line, size, process):
    body, pids = Body(size), stack.pids(process)
    during = send(stack, request_line.format(token=mint(stack)), body, pids)
    assert during > 100, "positive control: it is found while it passes"
    # The answer may be here before the process has put everything away.
    wait_for(lambda: body.left_in(pids) * len(body.marker) <= LEFT, 5)
