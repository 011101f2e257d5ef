"""Is the ledger whole?"""

from collections.abc import Iterator

from django.db import DataError

from .models import Entry
from .record import GENESIS, entry_hash

_AT_ONCE = 1000
_UNREADABLE = (ValueError, TypeError, DataError)  # a column holds what was never written there


def broken_entries() -> Iterator[int]:
    """Sequence numbers of all entries that are changed, missing or out of order, the first of a gap for all of it.

    Behind one that is broken the chain is taken up with what stands there.
    """
    expected, previous = 1, GENESIS
    for seq, entry in _entries():
        if seq != expected:
            yield expected
        if not _is_whole(entry) or (seq == expected and entry.previous != previous):
            yield seq
        expected, previous = seq + 1, entry.hash if entry else _hash_of(seq)


def _is_whole(entry: Entry | None) -> bool:
    try:
        return entry is not None and entry.hash == entry_hash(entry)
    except (AttributeError, TypeError, ValueError):  # a column holds what was never written there
        return False


def _entries() -> Iterator[tuple[int, Entry | None]]:
    """All entries in order; None for one whose columns cannot be read."""
    last = 0
    while seqs := list(Entry.objects.filter(seq__gt=last).order_by("seq").values_list("seq", flat=True)[:_AT_ONCE]):
        last = seqs[-1]
        page = Entry.objects.filter(seq__gte=seqs[0], seq__lte=last)
        try:
            found = page.in_bulk()
        except _UNREADABLE:  # of one of them
            found = {seq: _readable(seq) for seq in seqs}
        yield from ((seq, found.get(seq)) for seq in seqs)


def _readable(seq: int) -> Entry | None:
    try:
        return Entry.objects.get(seq=seq)
    except _UNREADABLE:
        return None


def _hash_of(seq: int) -> str:
    return Entry.objects.values_list("hash", flat=True).get(seq=seq)
