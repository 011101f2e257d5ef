"""One run: start a target fresh, warm it up, send one file, read the cost, check what was stored, clear."""

import contextlib
import dataclasses
import hashlib
import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from dev.paths import ROOT
from dev.pki import Pki
from tests.bench import client, ground
from tests.bench.meter import Cost, Meter
from tests.bench.targets import TARGETS
from tests.bench.targets.base import MIB, Target

WARM_UP_SIZE = 4 * MIB  # more than one socket buffer, so that every import and pool on the way is done
CLIENT_TIMEOUT = 900.0  # seconds


@dataclasses.dataclass
class Run:
    """Seconds and bytes of one upload; `error` is empty when the stored bytes are the sent ones."""

    target: str
    size: int
    wall: float
    tail: float
    ask: float  # what came before the first byte: token or tus creation; not part of wall
    client_cpu: float
    cost: Cost
    error: str = ""


@contextlib.contextmanager
def started(name: str, pki: Pki) -> Iterator[Target]:
    """A fresh target, warmed up; nothing of it is left afterwards."""
    target = TARGETS[name](ground.FOLDER / "run" / name, pki)
    target.clear()
    target.folder.mkdir(parents=True)
    try:
        target.start()
        warm_up = upload(target, WARM_UP_SIZE)
        if warm_up.error:
            raise RuntimeError(f"{name}: the warm-up failed: {warm_up.error}")
        yield target
    finally:
        target.stop()
        target.clear()


def upload(target: Target, size: int) -> Run:
    """Send one file to a running target, compare what is stored, and remove it again."""
    size = target.size or size
    seed = int.from_bytes(os.urandom(4))
    asked = time.monotonic()
    plan = target.ask(size, seed)
    ask = time.monotonic() - asked
    # Dirty pages of the previous run must not be this one's burden.
    os.sync()
    _touch_memory(2 * size)
    meter = Meter(target)
    outcome = _send(plan)
    answered = time.monotonic()
    if not _problem(outcome):
        target.make_durable(size)
    more = time.monotonic() - answered
    cost = meter.stop()
    error = _problem(outcome) or _stored_problem(target, size, seed)
    return Run(target.name, size, outcome.wall + more, outcome.tail + more, ask, outcome.cpu, cost, error)


def _touch_memory(size: int) -> None:
    """A virtual machine's host takes free memory back; to get it again costs whoever writes next as much as all else.

    So memory for page cache is touched before each run, for every target alike.
    """
    with mmap.mmap(-1, size) as memory:
        for page in range(0, size, mmap.PAGESIZE):
            memory[page] = 1


def _send(plan: client.Plan) -> client.Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.client"],
        input=json.dumps(dataclasses.asdict(plan)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=CLIENT_TIMEOUT,
    )
    if done.returncode:
        raise RuntimeError(f"the client broke: {done.stderr.strip().splitlines()[-1]}")
    return client.Outcome(**json.loads(done.stdout))


def _problem(outcome: client.Outcome) -> str:
    if 200 <= outcome.status < 300:
        return outcome.error
    return f"status {outcome.status} {outcome.error}: {outcome.reply[:200]}".strip()


def _stored_problem(target: Target, size: int, seed: int) -> str:
    """Then remove it: the disk never holds more than one file."""
    stored = [path for path in target.store().rglob("*") if path.is_file() and path.stat().st_size == size]
    if len(stored) != 1:
        return f"{len(stored)} stored files of {size} bytes"
    with stored[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    stored[0].unlink()
    return "" if found == client.digest(size, seed) else "the stored bytes differ"
