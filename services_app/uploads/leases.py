"""Who may write an upload now, and is that process still there?

A request holds a lease. It renews it as bytes come in and gives up by itself after UPLOAD_IDLE_TIMEOUT without any, so a
lease that ran out means that nobody is writing. Where the owner was a process of this boot and PID namespace that is
gone (killed, crashed), there is nothing to wait for.
"""

import os
from collections import Counter
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from .models import Upload
from .states import State

_MARGIN = timedelta(seconds=15)
COMMIT_LEASE = timedelta(minutes=10)  # above the worst fsync of the NAS


def receiving_lease() -> timedelta:
    """How long a request may be silent before its upload counts as abandoned."""
    return timedelta(seconds=settings.UPLOAD_IDLE_TIMEOUT) + _MARGIN


def owner() -> str:
    """This process, told apart from every other one that this machine has run or will run."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def is_abandoned(upload: Upload, now: datetime) -> bool:
    """Whether no request holds this running upload any more."""
    return upload.lease_until <= now or _is_gone(upload.owner)


def count_receiving(now: datetime) -> int:
    """Uploads that are being received now, on every host; those of a process that crashed are not counted."""
    receiving = Upload.objects.filter(state=State.RECEIVING, lease_until__gt=now)
    owners = Counter(receiving.values_list("owner", flat=True))
    return sum(count for name, count in owners.items() if not _is_gone(name))


def _is_gone(name: str) -> bool:
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
