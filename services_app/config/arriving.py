"""A connection before its request is known: the handshake, and the head of a request, as the bytes come (ADR 0022)."""

import socket
import ssl

from gunicorn.config import Config

_PIECE = 16384
_END = b"\r\n\r\n"

# A peer that is gone without a farewell is noticed within two minutes, whatever waits for it.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}


class Farewell(ConnectionError):
    """The peer closed a connection on which nothing was begun."""


class Arriving:
    """`conn` is gunicorn's; `deadline`, on the monotonic clock, holds for all that is still to come before the request is known."""

    def __init__(self, conn, deadline: float, held: bytes = b""):
        self.conn, self.deadline = conn, deadline
        self.head = bytearray(held)
        self.is_secured = not isinstance(conn.sock, ssl.SSLSocket) or conn.initialized

    def advance(self, most: int) -> bool:
        """Take what has come. Whether that is a whole head, or at least `most` bytes of one, which gunicorn refuses without reading on.

        Raises BlockingIOError or SSLWantReadError when there is more to come, SSLWantWriteError when something has to be sent first,
        and any other OSError when nothing will come of it.
        """
        if not self.is_secured:
            self.conn.sock.do_handshake()
            self.is_secured = True
        looked_at = 0
        while not self._is_whole(looked_at, most):
            looked_at = len(self.head)
            piece = self.conn.sock.recv(_PIECE)
            if not piece:
                raise ConnectionResetError if self.head else Farewell
            self.head += piece
        return True

    def _is_whole(self, looked_at: int, most: int) -> bool:
        if self.head[:1] in (b"\r", b"\n"):  # empty lines before a request (RFC 9112, section 2.2) end no head
            self.head = self.head.lstrip(b"\r\n")
            looked_at = 0
        return self.head.find(_END, max(0, looked_at - len(_END) + 1)) >= 0 or len(self.head) >= most


def largest_head(cfg: Config) -> int:
    """Bytes of which gunicorn's parser can say, whatever follows, that they are within the limits or not."""
    return cfg.limit_request_line + 2 + cfg.limit_request_fields * (cfg.limit_request_field_size + 2) + len(_END)


def keep_watch(sock: socket.socket) -> None:
    """Let the kernel ask whether the peer still lives."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
