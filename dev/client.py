"""A plain client: web_app's API, and PUT over TLS with a note of when the last body byte went out.

Deliberately small and of its own making: it must not hide what the server does (no retries, no connection reuse).
"""

import dataclasses
import http.client
import io
import json
import os
import select
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK = 1 << 20
_SO_MAX_PACING_RATE = 47  # socket(7); Python has no name for it
_PATIENCE = 120.0  # seconds without any byte taken or answered


@dataclasses.dataclass
class Reply:
    """`sent` counts body bytes; `seconds` run from before connecting; `tail` from the last body byte to the reply."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    sent: int
    seconds: float
    tail: float

    def json(self) -> dict:
        return json.loads(self.body)


class Refused(Exception):
    """The API answered otherwise than expected; the text holds status and code, never a token."""


class Client:
    """Talks to the edge at localhost:`port`, whose certificate the authority in `ca` must have signed. `rate` is how many bytes
    a second it sends at most, as over a line; 0: as fast as it goes.
    """

    def __init__(self, port: int, ca: Path, api_key: str = "", rate: int = 0):
        self.port = port
        self.api_key = api_key
        self.rate = rate
        self.context = ssl.create_default_context(cafile=ca)

    def call(self, method: str, path: str, body: dict | None = None, headers: dict | None = None) -> Reply:
        """One request to web_app's JSON API, signed in with the API key."""
        fields = {"Accept": "application/json"}
        if self.api_key:
            fields["Authorization"] = f"Bearer {self.api_key}"
        content = b""
        if body is not None:
            content = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        return self.send(method, path, [content] if content else [], len(content), {**fields, **(headers or {})})

    def new_grant(self, collection: str, **limits) -> dict:
        """Ask for permission to upload; `limits` are `size` and `sha256` of docs/upload-api.md."""
        return self._expect(201, self.call("POST", "/api/v1/uploads", {"collection": collection, **limits}))

    def hand_in(self, receipt: str) -> dict:
        return self._expect(200, self.call("POST", "/api/v1/receipts", {"receipt": receipt}))

    def receipt_keys(self) -> dict:
        return self._expect(200, self.call("GET", "/api/v1/receipt-keys"))

    def put(
        self,
        token: str,
        body: bytes | Path | Iterable[bytes],
        *,
        name: str | None = None,
        length: int | None = None,
        chunked: bool = False,
        headers: dict | None = None,
    ) -> Reply:
        """PUT a whole file with the token as Bearer. `length` declares another size than the body has."""
        fields = {"Authorization": f"Bearer {token}"}
        if name is not None:
            fields["Content-Disposition"] = f"attachment; filename*=UTF-8''{urllib.parse.quote(os.fsencode(name), safe='')}"
        if isinstance(body, Path):
            length = body.stat().st_size if length is None else length
            body = _blocks(body)
        elif isinstance(body, bytes):
            length = len(body) if length is None else length
            body = [body]
        return self.send("PUT", "/u", body, None if chunked else length, {**fields, **(headers or {})})

    def send(self, method: str, target: str, body: Iterable[bytes], length: int | None, headers: dict) -> Reply:
        """One request on a connection of its own; `length` None means chunked. An early answer ends the sending."""
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        fields = {"Host": f"localhost:{self.port}", "Connection": "close", **framing, **headers}
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        started = time.monotonic()
        with self.connect() as plain:
            with self.context.wrap_socket(plain, server_hostname="localhost") as wire:
                wire.sendall(head.encode() + b"\r\n")
                sent, early = _send_body(wire, body, chunked=length is None)
                last_byte = time.monotonic()
                source = _Heard(early + _to_end(wire)) if early else wire
                response = http.client.HTTPResponse(source, method=method)
                response.begin()
                content = response.read()
        ended = time.monotonic()
        return Reply(response.status, response.headers, content, sent, ended - started, ended - last_byte)

    def connect(self) -> socket.socket:
        """A TCP connection to the edge."""
        plain = socket.create_connection(("127.0.0.1", self.port), _PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.rate:
            plain.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, self.rate)
        return plain

    def _expect(self, status: int, reply: Reply) -> dict:
        if reply.status == status:
            return reply.json()
        kind = reply.headers.get_content_type()
        code = reply.json().get("code") if kind == "application/problem+json" else kind
        raise Refused(f"expected {status}, got {reply.status} ({code})")


class _Heard:
    """Stands in for the socket when the answer came early and has been read to its end."""

    def __init__(self, content: bytes):
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _send_body(wire: ssl.SSLSocket, body: Iterable[bytes], *, chunked: bool) -> tuple[int, bytes]:
    """Bytes sent, and the beginning of an answer that came before the end."""
    sent = 0
    try:
        for block in body:
            early = _answer_waiting(wire)
            if early:
                return sent, early
            wire.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            sent += len(block)
        if chunked:
            wire.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # The server closed after its answer, which is still there to be read.
    return sent, b""


def _answer_waiting(wire: ssl.SSLSocket) -> bytes:
    """A readable socket may hold session tickets only, so an empty read says nothing."""
    if not wire.pending() and not select.select([wire], [], [], 0)[0]:
        return b""
    wire.setblocking(False)
    try:
        return wire.recv(65536)
    except (ssl.SSLWantReadError, ConnectionError):
        return b""
    finally:
        wire.settimeout(_PATIENCE)


def _to_end(wire: ssl.SSLSocket) -> bytes:
    parts = []
    try:
        while part := wire.recv(65536):
            parts.append(part)
    except OSError:
        pass  # Cut off: what is missing shows when the answer is parsed.
    return b"".join(parts)


def _blocks(path: Path) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while taken := file.readinto(buffer):
            yield buffer[:taken]
