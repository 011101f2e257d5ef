"""Is the ledger whole?"""

from .models import Entry
from .record import GENESIS, entry_hash


def first_broken_entry() -> int | None:
    """The sequence number of the first entry that is changed, missing or out of order, or None when all hold."""
    expected, previous = 1, GENESIS
    for entry in Entry.objects.order_by("seq").iterator():
        if entry.seq != expected or entry.previous != previous or entry.hash != entry_hash(entry):
            return expected
        expected, previous = expected + 1, entry.hash
    return None
