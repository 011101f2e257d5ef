"""Rounds, one after the other: a row for each kind of fault, with what was seen and whether it was right."""

import collections
import contextlib
import dataclasses
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.processes import StartFailed
from tests.faults.rounds import judge
from tests.faults.rounds.ground import ROUNDS, ground
from tests.faults.rounds.kinds import ALL, Kind
from tests.faults.rounds.scene import Scene

AFTERWARDS = "afterwards"  # the row of what is left in the store, and of what the operators' commands say
_TO_BE_CAUGHT = 20  # rounds: not each of them meets the moment that a control is about


@dataclasses.dataclass
class Row:
    """Of one kind. `saw`: how often senders met each status; `findings`: what was not right, each with the round that it was in.

    `unplayed`: why a fault could not strike as planned. `control`: what must be found (a regular expression) for it to be right.
    """

    name: str
    control: str = ""
    rounds: int = 0
    saw: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    objects: int = 0
    findings: list[str] = dataclasses.field(default_factory=list)
    unplayed: list[str] = dataclasses.field(default_factory=list)
    skipped: str = ""

    @property
    def is_caught(self) -> bool:
        return any(re.search(self.control, finding) for finding in self.findings)

    @property
    def is_right(self) -> bool:
        if self.skipped or self.unplayed:
            return not self.unplayed
        return self.is_caught if self.control else not self.findings

    @property
    def goes_on(self) -> bool:
        return not (self.skipped or self.unplayed or (self.is_caught if self.control else self.findings))


class Play:
    """Use as a context manager. `seed` decides every round, whatever else is played: round 7 of a kind is the same with the others and
    without. `keep`: a folder for the logs of a ground on which something was wrong.
    """

    def __init__(self, seed: int, *, postgresql: bool = False, long_stall: float = 3.0, keep: Path | None = None):
        self.seed, self._options, self._long_stall = seed, {"postgresql": postgresql}, long_stall
        self._keep, self._ground, self._stored = keep, None, []
        self._cleanup = contextlib.ExitStack()
        self.afterwards = Row(AFTERWARDS)

    def __enter__(self) -> "Play":
        return self

    def __exit__(self, *_exc) -> None:
        self._cleanup.close()

    def kinds(self, kinds: Iterable[Kind], rounds: int) -> Iterator[Row]:
        """So many rounds of each kind, one kind after the other, each up to the first that was wrong; a row as soon as it is complete."""
        for kind in kinds:
            row = Row(kind.name, kind.control)
            if kind.control:
                self._leave()  # it spoils its ground
            most = max(rounds, _TO_BE_CAUGHT) if kind.control else rounds
            while row.goes_on and row.rounds < most:
                self._round(kind, row)
            yield row
            if not row.is_right or kind.control:
                self._abandon(row)
        self._leave()
        yield self.afterwards

    def minutes(self, kinds: Iterable[Kind], minutes: float) -> Iterator[Row]:
        """All kinds, controls apart, in an order of the seed's choice until the time is over or one was wrong; then the rows."""
        rng, until = random.Random(self.seed), time.monotonic() + 60 * minutes
        both = [(kind, Row(kind.name)) for kind in kinds if not kind.control]
        rows = [row for _, row in both]
        while time.monotonic() < until and all(row.is_right for row in rows):
            playable = [one for one in both if not one[1].skipped]
            if not playable:
                break
            self._round(*rng.choice(playable))
        yield from rows
        if not all(row.is_right for row in rows):
            self._keep_logs(AFTERWARDS)
        self._leave()
        yield self.afterwards

    def _round(self, kind: Kind, row: Row) -> None:
        if self._ground is not None and self._ground.rounds >= ROUNDS:
            self._leave()
        if self._ground is None:
            self._ground = self._cleanup.enter_context(ground(**self._options, lie=kind.lie))
        here = self._ground
        row.skipped = kind.needs(here)
        if row.skipped:
            return
        rng = random.Random(f"{self.seed} {kind.name} {row.rounds}")
        scene = Scene(here, rng, long_stall=self._long_stall, **kind.planned)
        try:
            kind.strike(scene)
        except (AssertionError, StartFailed, subprocess.CalledProcessError) as exc:
            first_line = f"{type(exc).__name__} {exc}".splitlines()[0]
            row.unplayed.append(f"round {row.rounds}: could not be played: {first_line}")
        scene.finish()
        here.rounds += 1
        for sender in scene.senders:
            row.saw.update(sender.saw)
        stored = [sender.told.upload_id for sender in scene.senders if sender.told]
        row.objects += len(stored)
        self._stored += stored
        found = scene.findings + judge.of_senders(here.stack.nas, scene.senders)
        row.findings += [f"round {row.rounds}: {one}" for one in found]
        row.rounds += 1

    def _leave(self) -> None:
        """Judge what is left on this ground."""
        if self._ground is None:
            return
        found = judge.of_store(self._ground.stack, self._stored)
        self.afterwards.rounds += 1
        self.afterwards.objects += len(self._stored)
        self.afterwards.findings += found
        if found:
            self._keep_logs(AFTERWARDS)
        self._give_up_ground()

    def _abandon(self, row: Row) -> None:
        """What would follow on it could be found again and again."""
        if not row.control or row.unplayed:
            self._keep_logs(row.name)
        self._give_up_ground()

    def _give_up_ground(self) -> None:
        self._cleanup.close()
        self._cleanup = contextlib.ExitStack()
        self._ground, self._stored = None, []

    def _keep_logs(self, name: str) -> None:
        if self._keep is None or self._ground is None:
            return
        for source in (self._ground.stack.logs, self._ground.stack.prefix / "logs"):
            target = self._keep / name / source.parent.name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)


def chosen(names: Iterable[str]) -> list[Kind]:
    """Those of these names; all of them where there are none."""
    names = set(names)
    return [kind for kind in ALL if not names or kind.name in names]
