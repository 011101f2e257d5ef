"""Did a process write anything to a disk? Two witnesses that do not know of each other: strace and the kernel's counters.

Looking for files afterwards proves nothing: nginx unlinks a temporary file as soon as it is open.
"""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import absent

# Only calls that create files or write at an offset: nginx writes sockets with writev and logs with write.
CALLS = "open,openat,creat,mkdir,mkdirat,rename,link,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate"


@dataclass
class Report:
    """`tries` are calls that would create a file, with their outcome; `written` counts bytes that went to one."""

    tries: list[str] = field(default_factory=list)
    written: int = 0
    counted: int = 0

    def nothing(self) -> bool:
        """Log lines are counted too, by whole pages; 128 KiB of them is more than any test here makes."""
        return not self.tries and not self.written and self.counted <= 128 << 10

    def read(self, trace: str) -> None:
        """What COMMAND wrote down."""
        for line in trace.splitlines():
            call = re.match(r"\d+ +(\w+)\((.*)\) += (-?\d+)", line)
            if not call:
                continue
            name, arguments, result = call.groups()
            if name.startswith("pwrite"):
                self.written += max(int(result), 0)
            elif not name.startswith("open") or "O_CREAT" in arguments or "O_TMPFILE" in arguments:
                self.tries.append(line)


COMMAND = ("strace", "-f", "-qq", "-s", "0", "-e", f"trace={CALLS}")


class Watch:
    """Watches processes from `with` to its end; then `report` is filled."""

    def __init__(self, pids: list[int], folder: Path):
        if not shutil.which("strace"):
            absent("strace is missing.\n  sudo apt install strace")
        self.pids, self.output = pids, folder / f"strace-{time.monotonic_ns()}"
        self.report = Report()

    def __enter__(self) -> "Watch":
        command = [*COMMAND, "-o", str(self.output)]
        command += [part for pid in self.pids for part in ("-p", str(pid))]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not all(_traced(pid) for pid in self.pids):
            assert self._strace.poll() is None, self._strace.stderr.read()
            assert time.monotonic() < deadline, "strace did not attach"
            time.sleep(0.05)
        self._before = sum(_written(pid) for pid in self.pids)
        return self

    def __exit__(self, *_exc) -> None:
        self.report.counted = sum(_written(pid) for pid in self.pids) - self._before
        self._strace.terminate()
        self._strace.wait(20)
        self.report.read(self.output.read_text())


def _traced(pid: int) -> bool:
    return not re.search(r"^TracerPid:\t0$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)


def _written(pid: int) -> int:
    return int(re.search(r"^write_bytes: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)[1])
