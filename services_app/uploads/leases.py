"""Who may write an upload now, and is that process still there?

A request holds a lease, which its process renews for as long as the request runs (writers.py), however long its sender
or the store keep it waiting. So a lease that ran out means that the process is gone, or cut off from the database. Where
the owner was a process of this boot and PID namespace that has ended, there is nothing to wait for.
"""

import os
from collections import Counter
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from .models import Upload
from .states import State

LEASE = timedelta(seconds=15)
RENEW_EVERY = 5.0  # seconds


def owner() -> str:
    """This process, told apart from every other one that this machine has run or will run."""
    return _name(os.getpid())


@lru_cache(maxsize=1)
def _name(pid: int) -> str:
    return f"{_machine()}:{pid}:{_started(pid)}"


def is_abandoned(upload: Upload, now: datetime) -> bool:
    """Whether no request holds this running upload any more."""
    return upload.lease_until <= now or is_gone(upload.owner)


def count_receiving(now: datetime, besides: UUID | None = None) -> int:
    """Uploads that are being received now, on every host; not counted: those of a process that crashed, and `besides`."""
    receiving = Upload.objects.filter(state=State.RECEIVING, lease_until__gt=now).exclude(id=besides)
    owners = Counter(receiving.values_list("owner", flat=True))
    return sum(count for name, count in owners.items() if not is_gone(name))


def is_gone(name: str) -> bool:
    """Whether an owner was a process of this machine that has ended."""
    if not name:
        return False
    machine, pid, started = name.rsplit(":", 2)
    return machine == _machine() and started != _started(int(pid))


@lru_cache(maxsize=1)
def _machine() -> str:
    """This boot and this PID namespace: elsewhere, or after a restart, a PID means another process."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{os.readlink('/proc/self/ns/pid')}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks after boot (proc_pid_stat(5), field 22); empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
