"""Who may write an upload now, and is that process still there? (ADR 0017)

A request holds a lease, which its process renews for as long as the request runs (writers.py), however long its sender
or the store keep it waiting. So a lease that ran out means that the process is gone, or cut off from the database.

A lease ends on two clocks. On the machine and boot where it was renewed last, the monotonic clock counts, which nobody can set.
Elsewhere the clock of the database counts, which all hosts share. No host's own time of day says whether somebody is alive.

Where the owner was a process of this boot and PID namespace that has ended, there is nothing to wait for.
"""

import hashlib
import os
import platform
import time
import uuid
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from services_app.uploads.models import Upload
from services_app.uploads.states import State

LEASE = timedelta(seconds=15)
RENEW_EVERY = 5.0  # seconds
CLOCK_MENDED = 12 * 3600.0  # seconds of a boot: by then somebody, or NTP, has set its clock right

FIELDS = ("state", "owner", "lease_until", "lease_boot", "lease_uptime")  # what is_abandoned looks at

_HOST_MARK = "host-id"  # a file in STATE_DIR


class _Owner(NamedTuple):
    host: str
    boot: str
    namespace: str
    pid: str
    started: str


def owner() -> str:
    """This process, told apart from every other one that any machine has run or will run."""
    return _name(os.getpid())


def held(lease: timedelta = LEASE) -> dict:
    """The fields of a lease that begins now, or is renewed."""
    return {"lease_until": now() + lease, "lease_boot": boot(), "lease_uptime": uptime() + lease.total_seconds()}


def let_go() -> dict:
    """The fields of a lease that ends now."""
    return {"lease_until": now(), "lease_boot": boot(), "lease_uptime": uptime()}


def now() -> datetime:
    """The time by the database's clock. SQLite has none of its own, and serves one host only."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def one_host() -> bool:
    """Whether this database can have users on this host only."""
    return connection.vendor == "sqlite"


def uptime() -> float:
    """Seconds of this boot, the same in all processes of the machine. They stand still while it sleeps, as its processes do."""
    return time.monotonic()


def is_abandoned(upload: Upload, at: datetime | None = None) -> bool:
    """Whether no request holds this running upload any more. `at`: now(), for who asks about many."""
    return is_gone(upload.owner) or ran_out(upload, at=at)


def ran_out(held, lease: timedelta = LEASE, at: datetime | None = None) -> bool:
    """Whether a lease of that length, whose fields `held` has, is over, whatever became of its owner."""
    if held.lease_boot == boot():
        return _is_over(held.lease_uptime, uptime(), lease.total_seconds())
    if held.lease_boot and one_host():
        return True  # an earlier boot of this host
    return _is_over(held.lease_until, at or now(), lease)


def _is_over(end, at, lease) -> bool:
    """One that ends much later than any can is as good as over: the clock was set back, and a living owner renews it soon."""
    return not at < end <= at + 2 * lease


def has_expired(upload: Upload, at: datetime | None = None) -> bool:
    """Whether it waited longer for its sender than it may.

    On this boot the machine must have run that long as well: a clock that is set forward destroys nothing. For what another boot
    let go, a machine that has just started does not believe its clock yet.
    """
    if upload.state != State.WAITING or upload.expires_at > (at or now()):
        return False
    if upload.lease_boot == boot():
        return uptime() - upload.lease_uptime >= settings.UPLOAD_EXPIRY
    return uptime() >= min(settings.UPLOAD_EXPIRY, CLOCK_MENDED)


def count_receiving(sub: str = "", besides: UUID | None = None) -> tuple[int, int]:
    """Uploads that are being received now, on every host: those of this person, and those of all others. Not counted are those of a
    process that crashed, and `besides`.
    """
    receiving = Upload.objects.filter(state=State.RECEIVING).exclude(id=besides)
    receiving = list(receiving.select_related("grant").only("grant__sub", *FIELDS))
    at = now() if receiving else None
    holders = [upload.grant.sub for upload in receiving if not is_abandoned(upload, at)]
    own = holders.count(sub)
    return own, len(holders) - own


def is_gone(name: str) -> bool:
    """Whether an owner was a process of this boot and PID namespace that has ended; while nobody can tell, its lease decides."""
    process = _parsed(name)
    if process is None or (process.boot, process.namespace) != (boot(), _namespace()):
        return False
    try:
        return process.started != _started(int(process.pid))
    except OSError:
        return False


def may_wake_up(name: str) -> bool:
    """Whether an owner that lost its lease may still have a write under way: not when its process or its whole boot has ended."""
    process = _parsed(name)
    if process is None or process.boot == boot():
        return not is_gone(name)
    return not (one_host() or (process.host and process.host == _host()))


def boot() -> str:
    """This boot of this machine."""
    return _boot()


@lru_cache(maxsize=1)
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@lru_cache(maxsize=1)
def _namespace() -> str:
    """Elsewhere a PID means another process."""
    return os.readlink("/proc/self/ns/pid")


@lru_cache(maxsize=1)
def _host() -> str:
    """This host, the same after a restart; empty where that cannot be told.

    Cloned machines share a machine-id, containers of one image as well: so the name and a mark in STATE_DIR must agree too. It
    only ever decides that bytes need not be carried out of the reach of a process, once its lease is over.
    """
    try:
        mark = _host_mark(Path(settings.STATE_DIR) / _HOST_MARK)
    except OSError:
        return ""
    try:
        machine = Path("/etc/machine-id").read_text()
    except OSError:
        machine = ""
    return hashlib.sha256("\0".join((mark, machine, platform.node())).encode()).hexdigest()[:16]


def _host_mark(path: Path) -> str:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    except FileExistsError:
        mark = path.read_text()
        if len(mark) != 32:  # another process is making it, or the disk was full
            raise OSError from None
        return mark
    with os.fdopen(fd, "w") as file:
        file.write(mark := uuid.uuid4().hex)
    return mark


@lru_cache(maxsize=1)
def _name(pid: int) -> str:
    return f"{_host()}/{_boot()}/{_namespace()}:{pid}:{_started(pid)}"


def _parsed(name: str) -> _Owner | None:
    """None for no owner. Owners of before 0.2 name no host."""
    if not name:
        return None
    machine, pid, started = name.rsplit(":", 2)
    *host, boot_id, namespace = machine.split("/")
    return _Owner("".join(host), boot_id, namespace, pid, started)


def _started(pid: int) -> str:
    """When a process started, in clock ticks after boot (proc_pid_stat(5), field 22); empty when it is gone. Raises OSError
    when nobody can tell, as without descriptors: a process that is alive must not be taken for dead.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
