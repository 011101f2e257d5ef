"""What an operator asks first, as plain data: ids, sizes, times and codes, no names and no paths. Each part by itself."""

import contextlib
import time
from datetime import UTC, datetime

from django.conf import settings
from django.db import Error, connection
from django.db.models import Min, Sum

import services_app
from services_app.config import health
from services_app.ledger.models import Entry
from services_app.outbox.backlog import backlog
from services_app.proof.models import Look
from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.uploads import recover
from services_app.uploads.models import Unpacking, Upload
from services_app.uploads.ownership import leases
from services_app.uploads.states import RUNNING, Standing, State

from . import judge, pki

_UNFINISHED = (State.WAITING, *RUNNING)
_COUNTED = 100_000  # uploads of one state at most: how many millions there are makes no difference
_SHOWN = 20  # uploads in flight, the oldest ones


def report() -> dict:
    """Never raises what the database or the store raise: that is what it is asked about."""
    failing = health.failing()
    told = {
        "tier": "services",
        "version": services_app.__version__,
        "at": _rfc3339(datetime.now(UTC)),
        "failing": failing,
        "store": _store(),
        "database": {"vendor": connection.vendor, "seconds": None},
        "uploads": dict.fromkeys(("held", "abandoned", "unfinished_bytes", "oldest_seconds"))
        | {"states": {}, "in_flight": [], "limit": settings.UPLOAD_MAX_CONCURRENT},
        "ledger": {"head": None},
        "stored": {"not_what_they_were": None, "not_unpacked": None, "quarantined": None},
        "hooks": [],
        "keys": pki.keys(),
        "certificates": pki.certificates(),
    }
    if "database" not in failing:
        with contextlib.suppress(Error):
            _ask(told)
    return told | {"problems": judge.problems(told)}


def _store() -> dict:
    told = {"free_bytes": None, "free_inodes": None, "reserve_bytes": settings.UPLOAD_SPACE_RESERVE}
    with contextlib.suppress(StoreError, Error):
        found = current_store().health()
        told |= {"free_bytes": found.free_bytes, "free_inodes": found.free_inodes}
    return told


def _ask(told: dict) -> None:
    """What the database knows. Raises what it raises; what was told until then stays."""
    before = time.monotonic()
    told["ledger"]["head"] = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    told["database"]["seconds"] = round(time.monotonic() - before, 6)
    told["stored"]["not_what_they_were"] = Look.objects.exclude(found="")[:_COUNTED].count()
    told["stored"]["not_unpacked"] = Unpacking.objects.filter(done_at=None, upload__state=State.COMMITTED).exclude(fault="").count()
    told["stored"]["quarantined"] = Upload.objects.filter(verdict=Standing.QUARANTINED, state=State.COMMITTED)[:_COUNTED].count()
    uploads, now = told["uploads"], leases.now()
    uploads["states"] = {str(state): Upload.objects.filter(state=state)[:_COUNTED].count() for state in _UNFINISHED}
    # By state, and not by id: an index holds the unfinished ones, while everything that ever came in is in order of ids.
    sums = Upload.objects.filter(state__in=_UNFINISHED).aggregate(Sum("offset"), Min("received_at"))
    uploads["unfinished_bytes"] = sums["offset__sum"] or 0
    uploads["oldest_seconds"] = (now - sums["received_at__min"]).total_seconds() if sums["received_at__min"] else 0
    uploads["abandoned"] = len(recover.stale_uploads())
    running = Upload.objects.filter(state__in=RUNNING).order_by("received_at")
    held = [upload for upload in running if not leases.is_abandoned(upload, now)]
    uploads["held"] = len(held)
    uploads["in_flight"] = [_in_flight(upload, now) for upload in held[:_SHOWN]]
    told["hooks"] = backlog(now)


def _in_flight(upload: Upload, now: datetime) -> dict:
    """`bytes_per_second`: promised bytes over the time since it began, breaks included; the promise lags by a few seconds."""
    seconds = max((now - upload.received_at).total_seconds(), 0.001)
    return {
        "upload_id": str(upload.id),
        "state": str(upload.state),
        "offset": upload.offset,
        "length": upload.length,
        "seconds": round(seconds, 3),
        "bytes_per_second": int(upload.offset / seconds),
    }


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
