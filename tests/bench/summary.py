"""From runs to one line per target (medians) and to the aims of the project: measured, and held or not."""

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence

from tests.bench.measure import Run
from tests.bench.memory import Growth
from tests.bench.targets.base import MIB

TAIL_LIMIT = 0.050  # seconds
TAIL_TIMES_SHORTER = 20
WALL_LIMIT = 1.3  # times the floor in C
APPENDS_LIMIT = 1.1  # times one PUT
DURABLE_LIMIT = 1.05  # times the floor in C that syncs too
TAIL_GROWTH_LIMIT = 1.25  # times the tail of 64 MiB, on a slow disk
GROWTH_LIMIT = 8 * MIB
# Log lines are counted in whole pages; a body byte would come with the other 342 million.
WEB_WRITTEN_LIMIT = 64 * 1024


@dataclasses.dataclass
class Line:
    """Medians over the good runs of one target; `peak` (process → bytes) is the worst of all of them."""

    target: str
    runs: int
    failed: int
    wall: float
    wall_worst: float
    rate: float  # MiB/s
    tail: float
    tail_worst: float
    ask: float
    cpu: dict[str, float]
    client_cpu: float
    peak: dict[str, int]
    web_written: int


@dataclasses.dataclass
class Aim:
    """`held` is None where the run lacks what is needed to say."""

    text: str
    measured: str
    held: bool | None


def line(target: str, runs: Sequence[Run]) -> Line | None:
    good = [run for run in runs if run.target == target and not run.error]
    if not good:
        return None

    def median(pick: Callable[[Run], float]) -> float:
        return statistics.median(pick(run) for run in good)

    wall = median(lambda run: run.wall)
    return Line(
        target=target,
        runs=len(good),
        failed=sum(run.target == target for run in runs) - len(good),
        wall=wall,
        wall_worst=max(run.wall for run in good),
        rate=good[0].size / MIB / wall,
        tail=median(lambda run: run.tail),
        tail_worst=max(run.tail for run in good),
        ask=median(lambda run: run.ask),
        cpu={tier: median(lambda run, tier=tier: run.cost.cpu[tier]) for tier in good[0].cost.cpu},
        client_cpu=median(lambda run: run.client_cpu),
        peak=_worst(run.cost.peak for run in good),
        web_written=max(run.cost.web_written for run in good),
    )


def _worst(peaks: Iterable[dict[str, int]]) -> dict[str, int]:
    worst: dict[str, int] = {}
    for one in peaks:
        worst.update({label: max(peak, worst.get(label, 0)) for label, peak in one.items()})
    return worst


def aims(lines: dict[str, Line], runs: Sequence[Run], growth: Growth | None) -> list[Aim]:
    """The aims; medians of one and the same run of the bench are compared, never numbers of two days."""
    sluice, inhouse, dav = (lines.get(name) for name in ("sluice", "inhouse", "dav"))
    slow = lines.get("sluice-slow-disk")
    return [
        _tail(sluice),
        _tail_against(sluice, inhouse),
        _wall_against(sluice, dav),
        *(
            _appends_against(mib, lines.get(f"sluice-appends-{mib}{line}"), lines.get(f"sluice{line}"), words)
            for line, words in (("", ""), ("-1gbit", " at 1 Gbit/s"))
            for mib in (32, 64)
        ),
        _durable_against(sluice, lines.get("dav-durable"), ""),
        _durable_against(slow, lines.get("dav-durable-slow-disk"), " on a slow disk"),
        _tail_of_more(slow, lines.get("sluice-slow-disk-64")),
        _growth(growth),
        _nothing_written([run for run in runs if run.target == "sluice" and not run.error]),
    ]


def _tail(sluice: Line | None) -> Aim:
    text = f"tail with fsync ≤ {TAIL_LIMIT * 1000:.0f} ms"
    if sluice is None:
        return Aim(text, "", None)
    return Aim(
        text,
        f"{sluice.tail * 1000:.1f} ms (worst {sluice.tail_worst * 1000:.1f} ms)",
        sluice.tail <= TAIL_LIMIT,
    )


def _tail_against(sluice: Line | None, inhouse: Line | None) -> Aim:
    text = f"tail ≥ {TAIL_TIMES_SHORTER} × shorter than the replaced design's"
    if sluice is None or inhouse is None:
        return Aim(text, "", None)
    times = inhouse.tail / sluice.tail
    return Aim(
        text,
        f"{times:.1f} × ({inhouse.tail * 1000:.0f} ms against {sluice.tail * 1000:.1f} ms)",
        times >= TAIL_TIMES_SHORTER,
    )


def _wall_against(sluice: Line | None, dav: Line | None) -> Aim:
    text = f"wall ≤ {WALL_LIMIT} × the floor in C (dav)"
    if sluice is None or dav is None:
        return Aim(text, "", None)
    times = sluice.wall / dav.wall
    return Aim(text, f"{times:.2f} × ({sluice.wall:.2f} s against {dav.wall:.2f} s)", times <= WALL_LIMIT)


def _appends_against(mib: int, appends: Line | None, sluice: Line | None, line: str) -> Aim:
    text = f"wall in appends of {mib} MiB{line} ≤ {APPENDS_LIMIT} × one PUT"
    if appends is None or sluice is None:
        return Aim(text, "", None)
    times = appends.wall / sluice.wall
    return Aim(text, f"{times:.2f} × ({appends.wall:.2f} s against {sluice.wall:.2f} s)", times <= APPENDS_LIMIT)


def _durable_against(sluice: Line | None, dav: Line | None, where: str) -> Aim:
    text = f"wall{where} ≤ {DURABLE_LIMIT} × the floor in C that syncs too (dav-durable)"
    if sluice is None or dav is None:
        return Aim(text, "", None)
    times = sluice.wall / dav.wall
    return Aim(text, f"{times:.2f} × ({sluice.wall:.2f} s against {dav.wall:.2f} s)", times <= DURABLE_LIMIT)


def _tail_of_more(slow: Line | None, small: Line | None) -> Aim:
    text = f"tail on a slow disk ≤ {TAIL_GROWTH_LIMIT} × that of 64 MiB there"
    if slow is None or small is None:
        return Aim(text, "", None)
    times = slow.tail / small.tail
    return Aim(text, f"{times:.2f} × ({slow.tail * 1000:.0f} ms against {small.tail * 1000:.0f} ms)", times <= TAIL_GROWTH_LIMIT)


def _growth(growth: Growth | None) -> Aim:
    text = f"memory growth from a small to a big upload ≤ {GROWTH_LIMIT // MIB} MiB per process"
    if growth is None:
        return Aim(text, "", None)
    process, gained = growth.worst()
    sizes = f"{growth.small // MIB} MiB → {growth.big // MIB} MiB"
    return Aim(text, f"{gained / MIB:.1f} MiB ({process}; {sizes})", gained <= GROWTH_LIMIT)


def _nothing_written(runs: list[Run]) -> Aim:
    text = "the web tier writes no body byte"
    if not runs:
        return Aim(text, "", None)
    written = max(run.cost.web_written for run in runs)
    # A log is the only file that the web tier may touch; anything else would have to be looked at.
    other = sorted({path for run in runs for path in run.cost.web_files if "logs" not in path.split("/")})
    measured = f"{written / 1024:.0f} KiB written while {runs[0].size // MIB} MiB passed"
    return Aim(text, measured + (f"; files: {', '.join(other)}" if other else ""), written <= WEB_WRITTEN_LIMIT)
