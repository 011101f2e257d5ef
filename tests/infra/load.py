"""Uploads that begin and end all the time, slow and fast, by PUT and by tus, while something is done to a deployment.

What a sender would have had to mend by itself is counted.
"""

import collections
import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.infra.sender import FAST, Upload
from tests.infra.uploads import Edge

BETWEEN = 2.0  # seconds between two of one sender: the load is steady, not the machine's utmost
AT_THIS_PACE = 12  # senders; of more, each one is slower by as much: what is shown is their number, not the machine's speed
KINDS = ("put fast", "put slow", "tus fast", "tus slow")
PER_ADDRESS = 20  # bodies at once; nginx lets one address send 24 (snippets/limits.conf)
T = TypeVar("T")


@dataclasses.dataclass
class Tally:
    """`answers` counts every status that a sender saw, by what was asked; below 200 there was none."""

    stored: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    answers: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    failed: list[str] = dataclasses.field(default_factory=list)
    again: list[str] = dataclasses.field(default_factory=list)
    mended: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # gone on with after a cut, by kind
    slowest: float = 0.0  # seconds of one request that carries no paced body

    @property
    def unavailable(self) -> dict:
        return {key: count for key, count in self.answers.items() if not 200 <= key[1] < 500}

    def __str__(self) -> str:
        counts = f"stored {dict(self.stored)}, failed {len(self.failed)}, again {len(self.again)}, 5xx {self.unavailable}"
        mended = f", mended by their senders {dict(self.mended)}" if self.mended else ""
        return "\n".join((f"{counts}{mended}, slowest {self.slowest:.1f} s", *self.failed[:5], *self.again[:5]))

    def whole(self) -> bool:
        """Everything was stored, and nothing from its beginning again."""
        return not (self.failed or self.again) and set(self.stored) == set(KINDS)

    def clean(self) -> bool:
        return self.whole() and not self.unavailable


class Load:
    """`with Load(edge, 12) as load: …; load.end()`. A slow upload lasts until the end; fast ones follow each other."""

    def __init__(self, edge: Edge, count: int, addresses: tuple[str, ...] = (), *, patient: bool = False):
        self.edge, self.tally, self.patient = edge, Tally(), patient
        self.pace = max(1.0, count / AT_THIS_PACE)
        self.ending, self.lock = threading.Event(), threading.Lock()
        self.begun = threading.Semaphore(0)
        self.count = count
        self.threads = [
            threading.Thread(
                target=self._sender, args=(KINDS[number % 4], addresses[number // PER_ADDRESS] if addresses else None)
            )
            for number in range(count)
        ]

    def __enter__(self) -> "Load":
        self.folder = tempfile.TemporaryDirectory()
        self.content = os.urandom(FAST)
        self.file = Path(self.folder.name) / "fast.bin"
        self.file.write_bytes(self.content)
        for thread in self.threads:
            thread.start()
        for _ in self.threads:
            assert self.begun.acquire(timeout=120), f"a sender could not begin: {self.tally}"
        return self

    def end(self) -> Tally:
        self.ending.set()
        for thread in self.threads:
            thread.join(300)
        assert not any(thread.is_alive() for thread in self.threads)
        return self.tally

    def __exit__(self, *_) -> None:
        self.end()
        self.folder.cleanup()

    def _sender(self, kind: str, address: str | None) -> None:
        first = True
        while first or not self.ending.is_set():
            try:
                upload = Upload(self, address)
                if first:
                    self.begun.release()
                    first = False
                getattr(upload, kind.replace(" ", "_"))()
                with self.lock:
                    self.tally.stored[kind] += 1
                self.ending.wait(BETWEEN * self.pace)
            except Exception as exc:  # noqa: BLE001 (whatever it is: a sender that dies has failed)
                with self.lock:
                    self.tally.failed.append(f"{kind}: {exc!r}")
                if first:
                    return


def under_load(hosts, edge: Edge, count: int, what: Callable[[], T], *, name: str, patient: bool = False) -> T:
    """What `what()` gave, after `count` senders saw nothing of it; patient ones, nothing that they could not mend. `-s` shows the tally."""
    with Load(edge, count, hosts.client_addresses(count), patient=patient) as load:
        given = what()
        tally = load.end()
    print(f"\n{name}\n{tally}")
    assert tally.whole() if patient else tally.clean(), f"{name}: {tally}"
    return given


def while_uploading(hosts, edge: Edge, count: int, playbook: str, *options: str, check: bool = True) -> str:
    """What the playbook printed."""
    said = under_load(
        hosts, edge, count, lambda: hosts.playbook(*options, name=playbook, check=check), name=" ".join((playbook, *options))
    )
    print(said[said.index("PLAY RECAP") :])
    return said
