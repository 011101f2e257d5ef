"""What an operator asks first about this tier, as plain data: ids, sizes, times and codes, no names. Each part by itself."""

import contextlib
import datetime
import time

from django.db import Error, connection
from django.db.models import Min
from django.utils import timezone

import web_app
from web_app.config import health
from web_app.grants.models import Grant
from web_app.grants.states import State
from web_app.metrics import counted, shared
from web_app.status import judge, pki

_COUNTED = 100_000  # grants at most: how many more there are makes no difference


def report() -> dict:
    """Never raises what the database raises: that is what it is asked about."""
    told = {
        "tier": "web",
        "version": web_app.__version__,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "failing": health.failing(),
        "database": {"vendor": connection.vendor, "seconds": None},
        "grants": {"open": None, "oldest_seconds": None},
        "reconcile": {"seconds_ago": _since(shared.latest(counted.RECONCILE_ROUND))},
        "keys": pki.keys(),
        "certificates": pki.certificates(),
    }
    if not told["failing"]:
        with contextlib.suppress(Error):
            _ask(told)
    return told | {"problems": judge.problems(told)}


def _ask(told: dict) -> None:
    waiting, before = Grant.objects.filter(state=State.ISSUED), time.monotonic()
    told["grants"]["open"] = waiting.order_by()[:_COUNTED].count()
    told["database"]["seconds"] = round(time.monotonic() - before, 6)
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    told["grants"]["oldest_seconds"] = (timezone.now() - oldest).total_seconds() if oldest else 0


def _since(at: float | None) -> float | None:
    return None if not at else max(0.0, round(time.time() - at, 3))
