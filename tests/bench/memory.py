"""How much each of Sluice's processes grows from a small upload to a big one: nothing should hold a body."""

import dataclasses

from dev.pki import Pki
from tests.bench import measure
from tests.bench.targets.base import MIB

SMALL = 10 * MIB
BIG = 2048 * MIB
# Several, so that each worker of nginx and each pool has served one before the big one comes.
SMALL_UPLOADS = 6


@dataclasses.dataclass
class Growth:
    """Peak resident bytes per process during the small uploads and during the big one."""

    small: int
    big: int
    before: dict[str, int]
    after: dict[str, int]

    def gained(self) -> dict[str, int]:
        return {label: peak - self.before.get(label, 0) for label, peak in self.after.items()}

    def worst(self) -> tuple[str, int]:
        return max(self.gained().items(), key=lambda one: one[1])


def growth(name: str, pki: Pki, big: int = BIG) -> Growth:
    """Raises RuntimeError when an upload fails."""
    with measure.started(name, pki) as target:
        small_runs = [_good(measure.upload(target, SMALL)) for _ in range(SMALL_UPLOADS)]
        big_run = _good(measure.upload(target, big))
    before: dict[str, int] = {}
    for run in small_runs:
        for label, peak in run.cost.peak.items():
            before[label] = max(peak, before.get(label, 0))
    return Growth(SMALL, big, before, big_run.cost.peak)


def _good(run: measure.Run) -> measure.Run:
    if run.error:
        raise RuntimeError(f"{run.target}: {run.size} bytes: {run.error}")
    return run
