"""What one upload costs: CPU per tier, peak memory per process, what the web tier wrote and touched."""

import dataclasses
import time
from pathlib import Path

from tests.bench import processes
from tests.bench.targets.base import Target
from tests.bench.watch import Watch

SETTLE = 0.3  # seconds after the answer in which stragglers may still write


@dataclasses.dataclass
class Cost:
    """`cpu`: tier → seconds; `peak`: process → bytes; `web_files`: touched by the web tier → events."""

    cpu: dict[str, float]
    peak: dict[str, int]
    peaks_reset: bool
    web_written: int
    web_files: dict[str, int]


class Meter:
    """Reads from its making until `stop`."""

    def __init__(self, target: Target):
        self._target = target
        tiers = self._tiers()
        self._peaks_reset = processes.reset_peaks(pid for tier in tiers.values() for pid in tier)
        self._watch = Watch(target.web_folders())
        self._before = {tier: processes.read(labelled) for tier, labelled in tiers.items()}

    def stop(self) -> Cost:
        time.sleep(SETTLE)
        after = {tier: processes.read(labelled) for tier, labelled in self._tiers().items()}
        touched = self._watch.touched()
        self._watch.close()
        return Cost(
            cpu={tier: round(self._gained(tier, after[tier], "cpu"), 3) for tier in after},
            peak={one.label: one.peak for tier in after.values() for one in tier.values()},
            peaks_reset=self._peaks_reset,
            web_written=int(self._gained("web", after["web"], "written")),
            web_files={self._short(path): events for path, events in touched.items()},
        )

    def _tiers(self) -> dict[str, dict[int, str]]:
        return {tier: processes.family(roots) for tier, roots in self._target.tiers().items()}

    def _gained(self, tier: str, after: dict[int, processes.Reading], field: str) -> float:
        before = self._before[tier]
        return sum(
            getattr(one, field) - (getattr(before[pid], field) if pid in before else 0) for pid, one in after.items()
        )

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self._target.folder) if path.is_relative_to(self._target.folder) else path)
