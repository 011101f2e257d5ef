"""Send one body over TLS and note when its last byte was handed over and when the answer was complete.

A process of its own (`python -m tests.bench.client < plan.json`), so that its CPU and its interpreter lock
stay apart from the harness.
The body comes from memory: reading a file would cost every target the same and tell nothing.
"""

import dataclasses
import functools
import hashlib
import http.client
import itertools
import json
import random
import resource
import sys
from pathlib import Path

from dev.client import Client

BLOCK = 1 << 20
BOUNDARY = "sluice-bench-0123456789abcdef"


@dataclasses.dataclass
class Plan:
    """One request, or with `append` (bytes of one PATCH) or `cut_at` several, by tus: see appends.py.

    `rate`: bytes a second that the line takes, 0 for no limit. `form_field` names the part of a multipart body; empty: the
    body is the file itself.
    """

    port: int
    authority_file: str
    method: str
    path: str
    size: int
    seed: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    form_field: str = ""
    file_name: str = "bench.bin"
    append: int = 0
    cut_at: int = 0
    rate: int = 0


@dataclasses.dataclass
class Outcome:
    """Seconds count from before the connection was opened. `error` is empty when the reply is whole."""

    status: int
    wall: float
    tail: float
    cpu: float
    reply: str
    error: str = ""


def blocks(size: int, seed: int, start: int = 0):
    """The body in views of at most 1 MiB, each good until the next: random bytes, numbered so that none repeats.

    From `start` on: the rest of the first `size` bytes.
    """
    block = bytearray(_noise(seed))
    for number in range(start // BLOCK, -(-size // BLOCK)):
        block[:8] = number.to_bytes(8, "big")
        begins = number * BLOCK
        yield memoryview(block)[max(0, start - begins) : min(BLOCK, size - begins)]


@functools.lru_cache(maxsize=1)
def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(BLOCK)


def digest(size: int, seed: int) -> str:
    whole = hashlib.sha256()
    for block in blocks(size, seed):
        whole.update(block)
    return whole.hexdigest()


def send(plan: Plan) -> Outcome:
    if plan.append or plan.cut_at:
        from tests.bench import appends

        status, reply, wall, tail, error = appends.send(plan)
        return Outcome(status, wall, tail, _cpu(), reply, error)
    before, after = _envelope(plan)
    kind = f"multipart/form-data; boundary={BOUNDARY}" if plan.form_field else "application/octet-stream"
    parts = [part for part in (before, after) if part]
    body = itertools.chain(parts[:1], blocks(plan.size, plan.seed), parts[1:])
    length = len(before) + plan.size + len(after)
    status, reply, wall, tail, error = 0, "", 0.0, 0.0, ""
    try:
        answer = Client(plan.port, Path(plan.authority_file), rate=plan.rate).send(
            plan.method, plan.path, body, length, {"Content-Type": kind, **plan.headers}
        )
        status, reply = answer.status, answer.body.decode("utf-8", "replace")
        wall, tail = answer.seconds, answer.tail
        if answer.sent != length:
            error = f"answered after {answer.sent} of {length} bytes"
    except (OSError, http.client.HTTPException) as exc:
        error = type(exc).__name__
    return Outcome(status, wall, tail, _cpu(), reply, error)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _envelope(plan: Plan) -> tuple[bytes, bytes]:
    if not plan.form_field:
        return b"", b""
    names = f'name="{plan.form_field}"; filename="{plan.file_name}"'
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n"
    return (
        f"{part}Content-Type: application/octet-stream\r\n\r\n".encode(),
        f"\r\n--{BOUNDARY}--\r\n".encode(),
    )


if __name__ == "__main__":
    json.dump(dataclasses.asdict(send(Plan(**json.load(sys.stdin)))), sys.stdout)
