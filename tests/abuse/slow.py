"""Requests that take a place and then send next to nothing."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

from tests.tokens import mint


class Slow:
    """PUTs of `length` bytes of which the `first` come; each from an address of its own choice, since nginx counts by address."""

    def __init__(self, stack):
        self._stack = stack
        self._context = ssl.create_default_context(cafile=stack.keys.edge_ca)
        self._open: list[ssl.SSLSocket] = []

    def put(self, number: int, *, sub: str = "greedy", first: int = 70_000, length: int = 1 << 30) -> ssl.SSLSocket:
        source = f"127.0.1.{number // 16 + 1}"
        plain = socket.create_connection(("127.0.0.1", self._stack.edge_port), 10, source_address=(source, 0))
        connection = self._context.wrap_socket(plain, server_hostname="localhost")
        self._open.append(connection)
        head = (
            f"PUT /u HTTP/1.1\r\nHost: localhost:{self._stack.edge_port}\r\nAuthorization: Bearer {mint(self._stack, sub=sub)}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode() + bytes(first))
        return connection

    def close(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()


@contextlib.contextmanager
def slow(stack) -> Iterator[Slow]:
    senders = Slow(stack)
    try:
        yield senders
    finally:
        senders.close()


def answered(connection: ssl.SSLSocket, patience: float = 10.0) -> bytes:
    """What a refused one is told."""
    connection.settimeout(patience)
    return connection.recv(65536)
