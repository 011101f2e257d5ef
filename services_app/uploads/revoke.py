"""A permission was taken back: what was under way for it ends, and its bytes go (ADR 0028).

What is whole and durable already (`committing`) is not touched: its commit came first.
"""

import logging
import uuid

from django.db import transaction

from services_app.config import turns

from . import actions, errors
from .content import ends
from .models import Upload
from .ownership import lines
from .states import State

log = logging.getLogger("sluice.uploads")

_UNDER_WAY = (State.WAITING, State.RECEIVING)


def take_back(grant_id: uuid.UUID) -> None:
    """End every upload of a grant that has no commit under way, running ones too, and free its bytes; said again, nothing happens.

    Its revocation is kept already, so nothing begins any more. Waits for no sender: a request that writes is told by the watcher of
    its process (writers.py), and saves nothing in between.
    """
    # In its turn: who passed the door before has begun by now, or is refused.
    with lines.transaction_of(turns.Turn.GRANT, grant_id, has_place=True):
        found = list(Upload.objects.filter(grant_id=grant_id, state__in=_UNDER_WAY).order_by("id").values_list("id", flat=True))
    for upload_id in found:
        if _end(upload_id):
            log.info("revoked", extra={"upload_id": upload_id, "grant_id": grant_id})
            ends.discard_aborted(upload_id)


def of_waiting() -> set[uuid.UUID]:
    """Grants that have something under way."""
    return set(Upload.objects.filter(state__in=_UNDER_WAY).values_list("grant_id", flat=True).distinct())


def _end(upload_id: uuid.UUID) -> bool:
    """Each in a transaction of its own: they are many, and a commit that takes its parts locks them in an order of its own."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().filter(id=upload_id, state__in=_UNDER_WAY).first()
        if upload is None:
            return False
        # Above the generation, so that its writer is found; a request that waits to take over keeps its number, and is told why.
        actions.abort(upload, errors.GrantRevoked.code, contender=max(upload.contender, upload.generation + 1))
    return True
