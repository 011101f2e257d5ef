"""A small real upstream that remembers what nginx sent it, byte for byte, and answers as it is told."""

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Seen:
    """One request as it arrived. Times are time.monotonic()."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    resumed: bool | None
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    first_byte_at: float | None = None
    ended_at: float | None = None
    cut_off: bool = False
    digest: object = field(default_factory=hashlib.sha256)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2, f"{name} was sent {len(found)} times"
        return found[0] if found else None

    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}


class Upstream:
    """Serves HTTP/1.1 on a TCP port or a unix socket.

    `answers` maps (method, target) or a target to (status, headers, body), or to a function of the request that is
    called once its body has been read; status None closes without an answer. `keep` so many bytes of each body.
    """

    def __init__(self, path: str | None = None, context: ssl.SSLContext | None = None, keep: int = 1 << 16):
        family = socket.AF_UNIX if path else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.bind(path or ("127.0.0.1", 0))
        self._listener.listen(512)
        self.port = None if path else self._listener.getsockname()[1]
        self.context, self.keep = context, keep
        self.requests: list[Seen] = []
        self.connections = 0
        self.answers: dict = {}
        self.insist_on_keeping = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Only shutdown wakes the thread that waits in accept; after close alone the port would go on accepting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def clear(self) -> None:
        self.requests.clear()
        self.answers.clear()
        self.insist_on_keeping = False

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self.port:
            # As gunicorn does; without it a small answer waits 40 ms for the other side's delayed ACK.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        resumed = None
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                resumed = connection.session_reused
            self._open.add(connection)
            stream = connection.makefile("rb")
            while self._one(connection, stream, number, resumed):
                pass
        except OSError:
            pass
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    def _one(self, connection, stream, number: int, resumed: bool | None) -> bool:
        line = stream.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        method, target, _ = line.split(" ")
        headers = []
        while field_line := stream.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = field_line.partition(":")
            headers.append((name, value.strip()))
        seen = Seen(method, target, headers, number, resumed)
        self.requests.append(seen)
        for piece in _pieces(seen, stream):
            seen.first_byte_at = seen.first_byte_at or time.monotonic()
            seen.size += len(piece)
            seen.digest.update(piece)
            if len(seen.body) < self.keep:
                seen.body += piece[: self.keep - len(seen.body)]
        seen.ended_at = time.monotonic()
        answer = self.answers.get((method, target), self.answers.get(target, (200, {}, b"{}")))
        status, extra, body = answer(seen) if callable(answer) else answer
        if status is None:
            return False
        close = (seen.header("Connection") or "").lower() == "close" and not self.insist_on_keeping
        head = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in extra.items())]
        head += [f"Connection: {'close' if close else 'keep-alive'}"]
        if status != 204:
            head += [f"Content-Length: {len(body)}"]
        connection.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
        return not close


def _pieces(seen: Seen, stream):
    if (seen.header("Transfer-Encoding") or "").lower() == "chunked":
        while size := int(stream.readline().split(b";")[0].strip() or b"-1", 16):
            if size < 0:
                seen.cut_off = True
                return
            yield stream.read(size)
            stream.readline()
        stream.readline()
        return
    left = int(seen.header("Content-Length") or 0)
    while left:
        piece = stream.read1(min(left, 1 << 20))
        if not piece:
            seen.cut_off = True
            return
        left -= len(piece)
        yield piece
