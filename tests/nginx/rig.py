"""One nginx with the repository's nginx/ tree and small upstreams of our own: for what nginx does by itself."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from dev import nginx, site
from dev.pki import Pki
from tests.nginx.upstream import Upstream

TREE = Path(__file__).resolve().parents[2] / "nginx"
GRANT = "019abcde-0000-7000-8000-00000000a001"
UPLOAD = "019abcde-0000-7000-8000-00000000b001"
TOKEN = "eyJhbGciOiJFZDI1NTE5In0." + "c4n4ry" * 50 + "." + "s1gn" * 22


class Rig:
    """Use as a context manager. `tree` may be an altered copy, `context` another TLS side of the services tier's.

    `origins`: whose pages may upload.
    """

    def __init__(
        self,
        folder: Path,
        binary: Path,
        pki: Pki,
        tree: Path = TREE,
        context: ssl.SSLContext | None = None,
        origins: tuple[str, ...] = (),
    ):
        self.origins = origins
        self.folder, self.binary, self.pki, self.tree = folder, binary, pki, tree
        self.context = context or services_context(pki)
        self.prefix = folder / "nginx"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Rig":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.uploads, self.control = Upstream(context=self.context), Upstream(context=self.context)
        # A unix socket's path may have 107 bytes, and pytest's folders are deep.
        self._socket = Path(f"/tmp/sluice-rig-{os.getpid()}-{id(self):x}.sock")
        self.web = Upstream(path=str(self._socket))
        self.port = _free_port()
        self.allow()
        nginx.lay_out(self.prefix, self.tree, self._site())
        self.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.stop()
        for upstream in (self.uploads, self.control, self.web):
            upstream.close()
        self._socket.unlink(missing_ok=True)

    def _site(self) -> str:
        return site.render(
            self.tree / "site.example.conf",
            port=self.port,
            web_socket=self._socket,
            uploads_port=self.uploads.port,
            control_port=self.control.port,
            keys=self.pki,
            origins=self.origins,
        )

    def command(self) -> list[str]:
        return nginx.command(self.binary, self.prefix)

    def start(self) -> None:
        self.stderr = (self.folder / "stderr").open("ab")
        self.process = subprocess.Popen(self.command(), stderr=self.stderr, stdout=self.stderr)
        # The port is open before there are workers, and a test may want to watch them all.
        for _ in range(200):
            assert self.process.poll() is None, (self.folder / "stderr").read_text()
            if len(self.workers()) == os.cpu_count():
                return
            time.sleep(0.05)
        raise AssertionError("nginx did not start its workers")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    # -- the services tier's part --------------------------------------------------------------------------
    def allow(self) -> None:
        self.control.answers["/authorize"] = (204, {"X-Upload-Grant": GRANT}, b"")

    def refuse(self, verdict: str | None, status: int = 403) -> None:
        headers = {"X-Upload-Grant": GRANT} | ({"X-Upload-Verdict": verdict} if verdict is not None else {})
        self.control.answers["/authorize"] = (status, headers, b"")

    def reset(self) -> None:
        for upstream in (self.uploads, self.control, self.web):
            upstream.clear()
        self.allow()

    # -- the client's part ---------------------------------------------------------------------------------
    def connect(self, name: str | None = "localhost", address: str = "127.0.0.1", **versions) -> ssl.SSLSocket:
        """`address` is the client's: any of 127.0.0.0/8, each with its own share of the limits."""
        context = ssl.create_default_context(cafile=str(self.pki.edge_ca))
        context.check_hostname = False
        for key, value in versions.items():
            setattr(context, key, value)
        plain = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(address, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=name)

    def ask(self, method: str, target: str, headers: dict | None = None, body: bytes = b"", **connect) -> "Answer":
        lines = {"Host": f"localhost:{self.port}", "Connection": "close"} | (headers or {})
        if body and "Content-Length" not in lines and "Transfer-Encoding" not in lines:
            lines["Content-Length"] = str(len(body))
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        return self.raw(head.encode("latin-1") + body, **connect)

    def raw(self, request: bytes, **connect) -> "Answer":
        with self.connect(**connect) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(request)
            return Answer.read(connection, request.startswith(b"HEAD "))

    # -- what it left behind -------------------------------------------------------------------------------
    def log_lines(self, wait_for: int = 0) -> list[dict]:
        path = self.prefix / "logs" / "access.json"
        for _ in range(200):
            # Of the last one only a part may be there yet.
            lines = [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if len(lines) >= wait_for:
                return lines
            time.sleep(0.05)
        return lines

    def all_logs(self) -> bytes:
        files = [*(self.prefix / "logs").iterdir(), self.folder / "stderr"]
        return b"\n".join(file.read_bytes() for file in files)


class Answer:
    """A response, parsed just enough. `interim` counts 1xx before it; status None: closed without an answer."""

    def __init__(self, status: int | None, headers: list[tuple[str, str]], body: bytes, interim: int = 0):
        self.status, self.headers, self.body, self.interim = status, headers, body, interim

    @classmethod
    def read(cls, connection, head_only: bool = False) -> "Answer":
        return cls.of(connection.makefile("rb"), head_only)

    @classmethod
    def of(cls, stream, head_only: bool = False) -> "Answer":
        interim = 0
        try:
            while True:
                line = stream.readline()
                if not line.startswith(b"HTTP/"):
                    return cls(None, [], line + stream.read(), interim)
                status = int(line.split()[1])
                headers = []
                while field := stream.readline().strip():
                    key, _, value = field.decode("latin-1").partition(":")
                    headers.append((key.lower(), value.strip()))
                if status >= 200:
                    break
                interim += 1
            length = dict(headers).get("content-length")
            body = b"" if head_only or status in (204, 304) else stream.read(int(length) if length else -1)
            return cls(status, headers, body, interim)
        except OSError:
            return cls(None, [], b"", interim)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) < 2, f"{name} was sent {len(found)} times: {found}"
        return found[0] if found else None

    def json(self) -> dict:
        return json.loads(self.body)

    def code(self) -> str | None:
        return self.json().get("code") if self.header("Content-Type") == "application/problem+json" else None


def services_context(pki: Pki) -> ssl.SSLContext:
    """The services tier's side of the inner TLS, as services_app/gunicorn.conf.py has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(pki.services_cert, pki.services_key)
    context.load_verify_locations(pki.inside_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def altered(tree: Path, target: Path, changes: dict[str, tuple[str, ...]]) -> Path:
    """A copy of the tree with texts replaced in each named file, each followed by its new one; they must be there."""
    shutil.copytree(tree, target)
    for name, texts in changes.items():
        for old, new in zip(texts[::2], texts[1::2], strict=True):
            text = (target / name).read_text()
            assert old in text, f"{name} does not hold {old!r}"
            (target / name).write_text(text.replace(old, new))
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
