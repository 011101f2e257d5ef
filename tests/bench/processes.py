"""What the processes of a tier cost: CPU, peak memory, bytes written; read from /proc, children included."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import psutil

PROC = Path("/proc")


@dataclasses.dataclass
class Reading:
    """One process at one moment. `cpu` (s) holds ended children too; `written`: what it dirtied on disks."""

    label: str
    cpu: float
    peak: int
    written: int


def family(roots: dict[str, int]) -> dict[int, str]:
    """Every living process under the roots, labelled `<root's label>` or `<root's label>/<n>`."""
    labelled = {}
    for label, root in roots.items():
        labelled[root] = label
        children = sorted(child.pid for child in psutil.Process(root).children(recursive=True))
        labelled.update({pid: f"{label}/{number}" for number, pid in enumerate(children, 1)})
    return labelled


def read(labelled: dict[int, str]) -> dict[int, Reading]:
    """Processes that are gone are left out: their CPU then stands with the parent that reaped them."""
    readings = {}
    for pid, label in labelled.items():
        try:
            process = psutil.Process(pid)
            readings[pid] = Reading(label, sum(process.cpu_times()[:4]), _peak(pid), process.io_counters().write_bytes)
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue
    return readings


def reset_peaks(pids: Iterable[int]) -> bool:
    """Make VmHWM count from now; False where that is forbidden: peaks then count from each start."""
    try:
        for pid in pids:
            (PROC / str(pid) / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak(pid: int) -> int:
    """Bytes. The kernel keeps the peak itself, so that nothing is missed between two samples."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)
