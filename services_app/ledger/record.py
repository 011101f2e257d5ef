"""The only writer of the ledger."""

import hashlib
import json
import uuid
from datetime import datetime

from services_app.config import turns

from .models import Entry

GENESIS = "0" * 64
EVENTS = ("committed", "aborted", "deleted")


def append(event: str, *, upload_id: uuid.UUID, grant_id: uuid.UUID, at: datetime, facts: dict) -> Entry:
    """Add an entry at the head of the chain, inside the caller's transaction.

    `facts` hold counts, digests and codes, never a name or path. Raises TransactionManagementError outside a
    transaction (an entry must stand or fall with the change that it tells of) and ValueError for an unknown event.
    """
    if event not in EVENTS:
        raise ValueError(event)
    turns.take(turns.Turn.LEDGER)
    head = Entry.objects.order_by("-seq").first()
    entry = Entry(
        seq=head.seq + 1 if head else 1,
        at=at,
        event=event,
        upload_id=upload_id,
        grant_id=grant_id,
        facts=facts,
        previous=head.hash if head else GENESIS,
    )
    entry.hash = entry_hash(entry)
    entry.save(force_insert=True)
    return entry


def entry_hash(entry: Entry) -> str:
    """SHA-256 (hex) over the canonical JSON of all other fields."""
    content = {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "event": entry.event,
        "upload_id": str(entry.upload_id),
        "grant_id": str(entry.grant_id),
        "facts": entry.facts,
        "previous": entry.previous,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
