"""A tus client that hides nothing: one connection a request, headers as they are given, no retries.

It knows the protocol only as far as every answer of a server must bear `Tus-Resumable` and must not be cached.
"""

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import io
import json
import socket
import ssl
import urllib.parse
from collections.abc import Callable

VERSION = "1.0.0"
BYTES = "application/offset+octet-stream"
_PATIENCE = 30.0  # seconds without any byte taken or answered


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    interim: int = 0  # answers 1xx that came before
    sent: int = 0  # body bytes that went out before it

    def __getitem__(self, name: str) -> str | None:
        found = self.headers.get_all(name) or [None]
        assert len(found) == 1, f"{name} was sent {len(found)} times: {found}"
        return found[0]

    @property
    def offset(self) -> int | None:
        return None if self["Upload-Offset"] is None else int(self["Upload-Offset"])

    @property
    def code(self) -> str | None:
        is_problem = self["Content-Type"] == "application/problem+json"
        return json.loads(self.body)["code"] if is_problem and self.body else None


class Tus:
    """Requests under one token, which stands in the URL or, with `bearer`, in Authorization."""

    def __init__(self, stack, token: str, *, bearer: bool = False):
        self.stack, self.token, self.bearer = stack, token, bearer
        self.url = "/u" if bearer else f"/u/{token}"
        self._context = ssl.create_default_context(cafile=stack.keys.edge_ca)

    def ask(
        self,
        method: str,
        target: str | None = None,
        headers: dict | None = None,
        body: bytes = b"",
        *,
        also: list[tuple[str, str]] = (),
        version: str | None = VERSION,
        chunked: bool = False,
        cut_after: int | None = None,
        before_cut: Callable[[], object] = lambda: None,
    ) -> Answer | None:
        """One request. A header of value None is left out; `also` is sent behind the others, for duplicates.

        With `cut_after` the connection is closed after so many body bytes and `before_cut`, and there is no answer.
        """
        fields = {"Host": f"localhost:{self.stack.edge_port}", "Connection": "close"}
        if self.bearer:
            fields["Authorization"] = f"Bearer {self.token}"
        if version is not None:
            fields["Tus-Resumable"] = version
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
        elif body or method in ("POST", "PATCH", "PUT"):
            fields["Content-Length"] = str(len(body))
        fields |= headers or {}
        lines = [f"{name}: {value}" for name, value in [*fields.items(), *also] if value is not None]
        path = urllib.parse.urlsplit(target or self.url)._replace(scheme="", netloc="").geturl()
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")
        waits = fields.get("Expect") == "100-continue"
        with self._connect() as wire:
            wire.sendall(head)
            interim = 0
            if waits:
                early = _head(wire)
                if not early.startswith(b"HTTP/1.1 100 ") or not early.endswith(b"\r\n\r\n"):
                    answer = _parsed(_Heard(early, wire), method)
                    return self._checked(answer, fields, method)
                interim = 1
            content = body if cut_after is None else body[:cut_after]
            sent = 0
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sent = _send(wire, content, chunked=chunked, ended=cut_after is None)
            if cut_after is not None:
                before_cut()
                return None
            answer = _parsed(wire, method)
        answer.interim, answer.sent = interim, sent
        return self._checked(answer, fields, method)

    def options(self, target: str | None = None, **kwargs) -> Answer:
        return self.ask("OPTIONS", target, version=None, **kwargs)

    def post(self, headers: dict | None = None, body: bytes = b"", **kwargs) -> Answer:
        """A creation; with a body one that brings its first bytes."""
        kind = {"Content-Type": BYTES} if body or kwargs.get("chunked") else {}
        return self.ask("POST", None, kind | (headers or {}), body, **kwargs)

    def create(self, length: int | None = None, headers: dict | None = None, body: bytes = b"", **kwargs) -> str:
        """A creation that must go well; returns where the upload is."""
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        answer = self.post(size | (headers or {}), body, **kwargs)
        assert answer.status == 201, answer
        return answer["Location"]

    def head(self, url: str, **kwargs) -> Answer:
        return self.ask("HEAD", url, **kwargs)

    def patch(self, url: str, offset: object, body: bytes = b"", headers: dict | None = None, **kwargs) -> Answer:
        fields = {"Content-Type": BYTES, "Upload-Offset": None if offset is None else str(offset)}
        return self.ask("PATCH", url, fields | (headers or {}), body, **kwargs)

    def delete(self, url: str, **kwargs) -> Answer:
        return self.ask("DELETE", url, **kwargs)

    def state(self, url: str | None = None) -> dict:
        """What GET says of an upload, or of the grant: no part of tus, and no disturbance of a running request."""
        return json.loads(self.ask("GET", url).body)

    def offset(self, url: str) -> int:
        """Where it stands; the upload must be there."""
        answer = self.head(url)
        assert answer.status in (200, 204), answer
        return answer.offset

    def stored(self, url: str) -> bytes:
        """What lies on the NAS for a complete upload."""
        return self.stack.stored(upload_id(url)).read_bytes()

    @contextlib.contextmanager
    def _connect(self):
        with socket.create_connection(("127.0.0.1", self.stack.edge_port), _PATIENCE) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(plain, server_hostname="localhost") as wire:
                yield wire

    def _checked(self, answer: Answer, fields: dict, method: str) -> Answer:
        """Core, "Tus-Resumable" and "HEAD": true of every answer, so it is looked at in every answer."""
        if "Tus-Resumable" in fields or (method == "OPTIONS" and answer.status < 300):
            assert answer["Tus-Resumable"] == VERSION, answer
        assert answer["Cache-Control"] == "no-store", answer
        return answer


def upload_id(url: str) -> str:
    return url.rpartition("/")[2]


def checksum(body: bytes, algorithm: str = "sha1") -> dict[str, str]:
    """Upload-Checksum for a body."""
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"}


def b64(value: bytes | str) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


class _Heard(io.RawIOBase):
    """Stands in for the socket when the beginning of the answer has been read already."""

    def __init__(self, beginning: bytes, wire: ssl.SSLSocket):
        self._beginning, self._wire = beginning, wire

    def makefile(self, _mode: str):
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        got = self._beginning[: len(buffer)] or self._wire.recv(len(buffer))
        self._beginning = self._beginning[len(buffer) :]
        buffer[: len(got)] = got
        return len(got)


def _send(wire: ssl.SSLSocket, body: bytes, *, chunked: bool, ended: bool) -> int:
    """All of it, also when an answer came in early: nginx reads on for a while. Returns the count."""
    for at in range(0, len(body), 1 << 16):
        block = body[at : at + (1 << 16)]
        wire.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
    if chunked and ended:
        wire.sendall(b"0\r\n\r\n")
    return len(body)


def _head(wire: ssl.SSLSocket) -> bytes:
    """What comes before any body byte went out: an answer, or `100 Continue` alone.

    nginx says 100 before a refusal as well, in the same moment, so it is looked at for a little longer.
    """
    heard = b""
    with contextlib.suppress(TimeoutError):
        while got := wire.recv(65536):
            heard += got
            if heard.endswith(b"\r\n\r\n"):
                wire.settimeout(0.1)
    wire.settimeout(_PATIENCE)
    return heard


def _parsed(source, method: str) -> Answer:
    response = http.client.HTTPResponse(source, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())
