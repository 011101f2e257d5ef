"""The only writer of security events: what was refused, counted by the hour, so that nobody can fill the disk with it."""

import datetime
import logging
from dataclasses import asdict

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from web_app.audit.models import SecurityEvent
from web_app.audit.tally import Row, Tally
from web_app.config.addresses import network_of
from web_app.metrics import counted

logger = logging.getLogger(__name__)

MOST = 500  # rows of one kind in one hour; what comes beyond that is counted in one row, which names nobody
KEPT_FOR = datetime.timedelta(days=90)

# Refusals of the web API that tell of somebody who tries what they may not.
TOLD_BY_CODE = frozenset({"collection_forbidden", "receipt_unknown_grant", "receipt_invalid", "receipt_mismatch"})
KINDS = TOLD_BY_CODE | {
    "sign_in_failed", "sign_in_throttled", "password_link_throttled", "factor_refused", "factor_throttled",
    "api_key_refused", "foreign_grant",
}
for known in KINDS:
    counted.security_events.labels(known)


def note(kind: str, request: HttpRequest | None, *, person=None, api_key: str = "") -> bool:
    """Count one of KINDS. `person` and `api_key` (its prefix) where they are known; by default those that ask. Whether this is the first
    of its kind in this hour. What came before is written within a second or so. Never raises: what is refused is refused all the same.
    """
    counted.security_events.labels(kind).inc()
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    try:
        return _tally.add(Row(kind, hour, **_subject(request, person, api_key)), now)
    except Exception:
        logger.error("security_event_not_kept", extra={"kind": kind}, exc_info=True)
        return False


def _subject(request: HttpRequest | None, person, api_key: str) -> dict[str, str]:
    user, key = getattr(request, "user", None), getattr(request, "api_key", None)
    if person is None and user is not None and user.is_authenticated:
        person = user
    return {
        "person": person.uploader_id if person is not None else "",
        "api_key": api_key or (key.prefix if key is not None else ""),
        "network": network_of(request.META.get("REMOTE_ADDR") or "") if request is not None else "",
    }


def write(row: Row, count: int, at: datetime.datetime) -> tuple[Row, bool]:
    """`Tally`'s: where there are MOST rows already, nobody's takes it."""
    more = {"count": F("count") + count, "last_at": at}
    with transaction.atomic():
        if SecurityEvent.objects.filter(**asdict(row)).update(**more):
            return row, False
        if SecurityEvent.objects.filter(kind=row.kind, hour=row.hour).count() >= MOST:
            row = row.of_nobody
            if SecurityEvent.objects.filter(**asdict(row)).update(**more):
                return row, False
        _, is_new = SecurityEvent.objects.get_or_create(**asdict(row), defaults={"count": count, "last_at": at})
        if not is_new:  # a rival was quicker
            SecurityEvent.objects.filter(**asdict(row)).update(**more)
        return row, is_new


_tally = Tally(write)


def forget_old() -> None:
    SecurityEvent.objects.filter(hour__lte=timezone.now() - KEPT_FOR).delete()
