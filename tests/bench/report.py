"""Print the table and the aims; keep everything as JSON."""

import dataclasses
import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from dev.paths import ROOT
from tests.bench import ground
from tests.bench.measure import Run
from tests.bench.memory import Growth
from tests.bench.summary import Aim, Line
from tests.bench.targets import TARGETS
from tests.bench.targets.base import MIB

HEAD = (
    "target",
    "wall s",
    "MiB/s",
    "tail ms",
    "worst",
    "ask ms",
    "CPU web",
    "services",
    "client",
    "peak MiB",
    "web wrote",
    "digest",
    "fsync",
    "inside",
)


@dataclasses.dataclass
class Result:
    size: int
    rounds: int
    load: float  # of the machine before the first run: others at work make every number worse
    runs: list[Run]
    lines: dict[str, Line]
    left_out: dict[str, str]  # target → why it did not run
    growth: Growth | None
    aims: list[Aim]


def show(result: Result) -> str:
    """Markdown, so that the last table can stand in docs/benchmarks.md as it is."""
    rounds = f"{result.rounds} round{'s' if result.rounds != 1 else ''}"
    parts = [f"{result.size // MIB} MiB, {rounds}, medians; {place()}; load before {result.load:.2f}"]
    if result.lines:
        parts.append(_table(result.lines.values()))
        parts.append("\n".join(["Peak MiB of each process:", *(_peaks(line) for line in result.lines.values())]))
    if result.growth:
        gained = " · ".join(f"{label} {more / MIB:+.1f}" for label, more in result.growth.gained().items())
        parts.append(f"Growth in MiB: {gained}")
    parts += [f"- {name} did not run: {why}" for name, why in result.left_out.items()]
    parts += [f"- {run.target} failed: {run.error}" for run in result.runs if run.error]
    parts.append("\n".join(_aim(aim) for aim in result.aims))
    return "\n\n".join(parts)


def keep(result: Result) -> Path:
    """Write the JSON; returns its path."""
    now = datetime.datetime.now(datetime.UTC)
    path = ground.FOLDER / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(
            {
                "at": now.isoformat(timespec="seconds"),
                "place": place(),
                "commit": _commit(),
                **dataclasses.asdict(result),
            },
            indent=1,
        )
        + "\n"
    )
    return path


def place() -> str:
    """The machine in one line: what a reader needs to compare with their own."""
    nginx = ground.nginx_features().splitlines()[0].rpartition("/")[2]
    software = f"Python {platform.python_version()}, nginx {nginx}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, {software}"


def _table(lines: Iterable[Line]) -> str:
    rows = [HEAD, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([_row(HEAD, widths), rule, *(_row(row, widths) for row in rows[1:])])


def _cells(line: Line) -> tuple[str, ...]:
    kind = TARGETS[line.target]
    return (
        line.target,
        f"{line.wall:.2f}",
        f"{line.rate:.0f}",
        f"{line.tail * 1000:.1f}",
        f"{line.tail_worst * 1000:.1f}",
        f"{line.ask * 1000:.0f}",
        f"{line.cpu['web']:.2f}",
        f"{line.cpu['services']:.2f}",
        f"{line.client_cpu:.2f}",
        f"{max(line.peak.values()) / MIB:.0f}",
        f"{line.web_written / MIB:.1f} MiB" if line.web_written >= MIB else f"{line.web_written // 1024} KiB",
        kind.digest,
        "yes" if kind.durable else "no",
        kind.inside,
    )


def _peaks(line: Line) -> str:
    return f"- {line.target}: " + " · ".join(f"{label} {peak / MIB:.0f}" for label, peak in line.peak.items())


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _aim(aim: Aim) -> str:
    if aim.held is None:
        return f"- not measured: {aim.text}"
    return f"- {'held' if aim.held else 'NOT held'}: {aim.text}: {aim.measured}"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()
