"""The only writer of the ledger."""

import hashlib
import json
import uuid
from datetime import datetime

from services_app.config import request_id, turns
from services_app.metrics import counted

from .models import Entry

GENESIS = "0" * 64
OF_UPLOADS = ("committed", "aborted", "deleted")
RESTORED, PURGED = "restored", "purged"  # out of the trash, back or for good (services_app/uploads/removal.py)
RESUMED = "resumed"  # gone on with after it was cut off
UNPACKED = "unpacked"  # its files lie beside the archive, and this is the digest of their list (services_app/uploads/unpack.py)
VERIFIED = "verified"  # so many stored files were looked at (verify_store)
CONTINUED = "continued"  # after a restore, knowingly (services_app/proof/continuations.py)
ADOPTED = "adopted"  # stored before, and known again from its manifest (services_app/proof/adopt.py)
RELEASED, QUARANTINED = "released", "quarantined"  # what was found of it (services_app/uploads/verdicts.py)
EVENTS = (*OF_UPLOADS, RELEASED, QUARANTINED, RESUMED, RESTORED, PURGED, UNPACKED, VERIFIED, ADOPTED, CONTINUED)
OF_NO_UPLOAD = uuid.UUID(int=0)  # RFC 9562, 5.9: what stands for the ids then

for known in OF_UPLOADS:
    counted.ended.labels(known)


def append(event: str, *, upload_id: uuid.UUID, grant_id: uuid.UUID, at: datetime, facts: dict) -> Entry:
    """Add an entry at the head of the chain, inside the caller's transaction.

    `facts` hold counts, digests and codes, never a name or path; the id of the request that did it is put beside them, under the
    entry's hash like all of it. Raises TransactionManagementError outside a
    transaction (an entry must stand or fall with the change that it tells of) and ValueError for an unknown event.
    """
    if event not in EVENTS:
        raise ValueError(event)
    if request := request_id.current():
        facts = {**facts, "request": request}
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
    if event in OF_UPLOADS:
        counted.entry_written(event)
    return entry


def head() -> tuple[int, str]:
    """Number and hash of the newest entry, which stays the newest until the transaction ends."""
    turns.take(turns.Turn.LEDGER)
    return Entry.objects.order_by("-seq").values_list("seq", "hash").first() or (0, GENESIS)


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
