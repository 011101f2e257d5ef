"""What a stored file must be: as its receipt says, which is signed; the row and the manifest must say the same.

A receipt under a key that is not here says nothing by itself: anybody may have made it. It counts for what a vouched entry of the
ledger says too (holding.py).
"""

from dataclasses import dataclass
from functools import cached_property

from services_app.ledger.verify import broken_entries
from services_app.receipts.issue import TYPE
from services_app.receipts.read import NotSigned, StatementReader
from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads import actions
from services_app.uploads.models import Upload

from . import statements
from .holding import Holding


@dataclass(frozen=True, slots=True)
class Expected:
    """`claims` of its receipt, None where that is none of ours; `vouched`: they may be believed."""

    claims: dict | None
    vouched: bool


class Measure:
    """For one run of a command: what it has learnt of the ledger it learns once, and only where a receipt needs it."""

    def __init__(self, store: LocalFileSystemStorage, reader: StatementReader):
        self._store, self.reader = store, reader

    def of(self, upload: Upload) -> Expected:
        """Raises StoreUnavailable."""
        try:
            signed = self.reader.read(upload.receipt, TYPE)
        except NotSigned:
            return Expected(None, vouched=False)
        return Expected(signed.claims, signed.verified or self._holding.vouches_for(signed.claims))

    @cached_property
    def _holding(self) -> Holding:
        holding = Holding()
        holding.take(statements.of_rows(self.reader))
        holding.take(statements.of_checkpoints(self._store, self.reader))
        holding.not_before = max((seq for seq in broken_entries() if seq <= holding.vouched), default=0)
        return holding


def says_the_same(upload: Upload, claims: dict) -> bool:
    """Whether the row says what the receipt says."""
    return claims.items() >= {
        "upload_id": str(upload.id),
        "grant": str(upload.grant_id),
        "sub": upload.grant.sub,
        "collection": upload.grant.collection,
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "received_at": actions.rfc3339(upload.received_at),
        "durable_at": upload.durable_at and actions.rfc3339(upload.durable_at),
    }.items()
