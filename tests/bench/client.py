"""Send one body over TLS and note when its last byte was handed over and when the answer was complete.

A process of its own (`python -m tests.bench.client < plan.json`), so that its CPU and its interpreter lock
stay apart from the harness.
The body comes from memory: reading a file would cost every target the same and tell nothing.
"""

import dataclasses
import hashlib
import http.client
import json
import random
import resource
import socket
import ssl
import sys
import time

BLOCK = 1 << 20
BOUNDARY = "sluice-bench-0123456789abcdef"
FIRST_STEP_TIMEOUT = 10.0  # seconds: connecting and the TLS handshake
IDLE_TIMEOUT = 300.0  # seconds without a byte taken or answered


@dataclasses.dataclass
class Plan:
    """One request. `form_field` names the part of a multipart body; empty: the body is the file itself."""

    port: int
    authority_file: str
    method: str
    path: str
    size: int
    seed: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    form_field: str = ""
    file_name: str = "bench.bin"


@dataclasses.dataclass
class Outcome:
    """Seconds count from before the connection was opened. `error` is empty when the reply is whole."""

    status: int
    wall: float
    tail: float
    cpu: float
    reply: str
    error: str = ""


def blocks(size: int, seed: int):
    """The body in views of at most 1 MiB, each good until the next: random bytes, numbered so that none repeats."""
    block = bytearray(random.Random(seed).randbytes(BLOCK))
    for number, start in enumerate(range(0, size, BLOCK)):
        block[:8] = number.to_bytes(8, "big")
        yield memoryview(block)[: min(BLOCK, size - start)]


def digest(size: int, seed: int) -> str:
    whole = hashlib.sha256()
    for block in blocks(size, seed):
        whole.update(block)
    return whole.hexdigest()


def send(plan: Plan) -> Outcome:
    before, after = _envelope(plan)
    context = ssl.create_default_context(cafile=plan.authority_file)
    head = _head(plan, len(before) + plan.size + len(after))
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", plan.port), timeout=FIRST_STEP_TIMEOUT) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="localhost") as wire:
            wire.settimeout(IDLE_TIMEOUT)
            error = _send_all(wire, head + before, plan, after)
            handed_over = time.monotonic()
            status, reply, broken = _answer(wire, plan.method)
    ended = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Outcome(status, ended - started, ended - handed_over, used.ru_utime + used.ru_stime, reply, error or broken)


def _send_all(wire: ssl.SSLSocket, opening: bytes, plan: Plan, closing: bytes) -> str:
    """Return what went wrong instead of raising: the server may have answered before it closed."""
    try:
        wire.sendall(opening)
        for block in blocks(plan.size, plan.seed):
            wire.sendall(block)
        if closing:
            wire.sendall(closing)
    except OSError as exc:
        return f"while sending: {type(exc).__name__}"
    return ""


def _answer(wire: ssl.SSLSocket, method: str) -> tuple[int, str, str]:
    response = http.client.HTTPResponse(wire, method=method)
    try:
        response.begin()
        return response.status, response.read().decode("utf-8", "replace"), ""
    except (OSError, http.client.HTTPException) as exc:
        return 0, "", f"while reading the answer: {type(exc).__name__}"


def _envelope(plan: Plan) -> tuple[bytes, bytes]:
    if not plan.form_field:
        return b"", b""
    names = f'name="{plan.form_field}"; filename="{plan.file_name}"'
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n"
    return (
        f"{part}Content-Type: application/octet-stream\r\n\r\n".encode(),
        f"\r\n--{BOUNDARY}--\r\n".encode(),
    )


def _head(plan: Plan, length: int) -> bytes:
    kind = f"multipart/form-data; boundary={BOUNDARY}" if plan.form_field else "application/octet-stream"
    fields = {
        "Host": "localhost",
        "Connection": "close",
        "Content-Type": kind,
        **plan.headers,
        "Content-Length": str(length),
    }
    lines = [f"{plan.method} {plan.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


if __name__ == "__main__":
    json.dump(dataclasses.asdict(send(Plan(**json.load(sys.stdin)))), sys.stdout)
