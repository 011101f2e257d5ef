"""A client that speaks the draft word by word, and can be told to say something else."""

import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator

from dev.client import Client, Reply

MIME = "application/partial-upload"
PROBLEM = "https://iana.org/assignments/http-problem-types#"


class Speaker:
    """Requests under one token, which stands in the URL. `location` is the path of the upload begun last."""

    def __init__(self, stack, token: str):
        self._client = Client(stack.edge_port, stack.keys.edge_ca)
        self.port, self.context = stack.edge_port, self._client.context
        self.home, self.location = f"/u/{token}", None

    def create(self, body=b"", *, complete="?0", method="POST", chunked=False, **fields) -> Reply:
        reply = self.send(method, self.home, body, chunked=chunked, upload_complete=complete, **fields)
        if reply.headers["Location"]:
            self.location = urllib.parse.urlsplit(reply.headers["Location"]).path
        return reply

    def append(self, offset, body=b"", *, complete="?0", kind=MIME, chunked=False, **fields) -> Reply:
        said = {"upload_offset": offset, "upload_complete": complete, "content_type": kind, **fields}
        return self.send("PATCH", self.location, body, chunked=chunked, **said)

    def ask(self, method: str = "HEAD", **fields) -> Reply:
        return self.send(method, self.location, **fields)

    def offset(self) -> int:
        reply = self.ask()
        assert reply.status in (200, 204), reply.status
        return int(reply.headers["Upload-Offset"])

    def send(self, method: str, target: str, body=b"", *, chunked=False, **fields) -> Reply:
        """`fields` are header fields with underscores; None leaves one out. A body may come in pieces."""
        pieces = [body] if isinstance(body, bytes) else body
        length = None if chunked else sum(map(len, pieces))
        return self._client.send(method, target, filter(None, pieces), length, _headers(fields))

    def hang(self, method: str, target: str, first: bytes, declared: int | None, **fields) -> ssl.SSLSocket:
        """Send the head and `first`, and then nothing; `declared` None means chunked. The caller closes it."""
        framing = {"Content-Length": declared} if declared is not None else {"Transfer-Encoding": "chunked"}
        head = {"Host": f"localhost:{self.port}", **framing, **_headers(fields)}
        text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items())
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        wire = self.context.wrap_socket(plain, server_hostname="localhost")
        body = first if declared is not None else b"%x\r\n%b\r\n" % (len(first), first)
        wire.sendall(text.encode() + b"\r\n" + body)
        return wire


def _headers(fields: dict) -> dict[str, str]:
    return {name.replace("_", "-").title(): str(value) for name, value in fields.items() if value is not None}


def slowly(*pieces: bytes) -> Iterator[bytes]:
    """A chunked body that is not there at once."""
    for piece in pieces:
        yield piece
        time.sleep(0.2)


def limits(reply: Reply) -> dict[str, int]:
    """Upload-Limit, read strictly: a dictionary of integers (RFC 9651 section 4.2)."""
    members = [member.strip(" ").split("=") for member in reply.headers["Upload-Limit"].split(",")]
    return {name: int(value) for name, value in members}


def everything(wire: ssl.SSLSocket) -> bytes:
    """All that the server says until it closes or is silent for the socket's time."""
    parts = []
    try:
        while part := wire.recv(65536):
            parts.append(part)
    except OSError:
        pass
    return b"".join(parts)
