"""How far is each hook behind? For `status` and /metrics: numbers and codes, no ids."""

from datetime import datetime

from django.db.models import Min

from services_app.hooks.configured import hooks
from services_app.hooks.hook import Hook, Unusable
from services_app.ledger.models import Entry

from .gather import events
from .models import OPEN, Cursor, Delivery, State

COUNTED = 100_000  # deliveries at most: how many more there are makes no difference


def backlog(now: datetime) -> list[dict]:
    """Each hook's open and failed deliveries; `oldest_seconds` since the oldest file that is not handed on was stored, `said` how its
    last try ended; `unseen_seconds` since the oldest commit at which no worker has looked. Raises what the database raises.
    """
    try:
        return [_of(hook, now) for hook in hooks()]
    except (OSError, Unusable):  # `check` says so
        return []


def _of(hook: Hook, now: datetime) -> dict:
    found = Delivery.objects.filter(hook=hook.name, state__in=OPEN)
    first = found.aggregate(seq=Min("seq"))["seq"]
    oldest = found.select_related("upload").filter(seq=first).first() if first else None
    cursor = Cursor.objects.filter(hook=hook.name).values_list("seq", flat=True).first() or 0
    unseen = Entry.objects.filter(seq__gt=cursor, event__in=events(hook), at__gte=hook.since).order_by("seq")
    unseen = unseen.values_list("at", flat=True).first()
    return {
        "hook": hook.name,
        "open": found[:COUNTED].count(),
        "failed": Delivery.objects.filter(hook=hook.name, state=State.FAILED)[:COUNTED].count(),
        "oldest_seconds": (now - oldest.upload.durable_at).total_seconds() if oldest else 0,
        "unseen_seconds": (now - unseen).total_seconds() if unseen else 0,
        "said": oldest.said if oldest else "",
    }
