"""Does the chain hold what was signed about it?

A statement names an entry and its hash, which covers all before it: so one that agrees vouches for the whole chain up to there.

    beyond      the ledger ends before that entry: its tail was cut off, or an older database is back
    fork        that entry is another one, and what is here was signed too: an older database came back, and went on
    rewritten   that entry is another one, and nothing that was signed agrees with what is here
    forged      no statement of ours: it was changed, or somebody else made it
    unreadable  the store does not give it back: nobody knows what it says
    unvouched   signed with a key that is not here, and nothing that a key signed which is here bears it out: the key was retired, or
                is somebody's

What is signed with a key that is not here is borne out where the chain is vouched for beyond its entry, and that entry says the same.
A key that is here signs everything from its first statement on: what came later is not of a key that was retired before.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from django.db.models import Min

from services_app.ledger.models import Entry
from services_app.receipts.read import StatementReader

from . import continuations, entries
from .findings import Report
from .statements import Statement

_AT_ONCE = 500
_TAKING_UP = timedelta(minutes=1)  # other processes have still signed with the old key (services_app/config/watched.py)


class Holding:
    """Takes statements in any order, then says what contradicts.

    `vouched`: the chain is, up to that entry. `not_before`: entries up to there are not, since it is broken behind them.
    """

    def __init__(self):
        self.vouched, self.not_before, self.counts = 0, 0, Counter()
        self._signed: set[int] = set()  # by keys that are here
        self._differ: list[Statement] = []
        self._retired: list[Statement] = []
        self._unlike: list[Statement] = []
        self._forged: list[Statement] = []
        self._unread: list[Statement] = []

    def take(self, statements: Iterable[Statement]) -> None:
        for batch in _batched(statements):
            hashes = dict(Entry.objects.filter(seq__in={one.seq for one in batch if one.seq}).values_list("seq", "hash"))
            for one in batch:
                self._take(one, hashes)

    def _take(self, one: Statement, hashes: dict[int, str]) -> None:
        self.counts[one.where.partition(" ")[0]] += 1
        if one.unread:
            self._unread.append(one)
        elif one.seq is None:
            self._forged.append(one)
        elif hashes.get(one.seq) != one.head:
            self._differ.append(one)
        elif one.verified:
            self.vouched = max(self.vouched, one.seq)
            self._signed.add(one.seq)
        elif one.claims is not None and entries.agreeing(one.claims) is None:
            self._unlike.append(one)
        else:
            self._retired.append(replace(one, claims=None))  # there may be a million

    def vouches_for(self, claims: dict) -> bool:
        """Whether an entry that is vouched for bears out a receipt whose key is not here, in all that an entry says."""
        seq = entries.agreeing(claims)
        return seq is not None and self.is_vouched(seq)

    def is_vouched(self, seq: int) -> bool:
        """Whether an entry is borne out, though what it says is signed with a key that is not here."""
        return self.not_before < seq <= self.vouched and (self._all_since is None or seq <= self._all_since)

    @cached_property
    def _all_since(self) -> int | None:
        """Behind this entry all is signed with keys that are here. Asked once everything was taken."""
        signed = sorted(self._signed)
        begun = entries.time_of(signed[0]) if signed else None
        if begun is None:
            return None
        for batch in _batched(signed):
            later = Entry.objects.filter(seq__in=batch, at__gte=begun + _TAKING_UP).aggregate(first=Min("seq"))["first"]
            if later is not None:
                return later
        return None

    def contradicting(self, reader: StatementReader) -> list[Statement]:
        """What names an entry that is not here, and no continuation knows, and a key signed that is here."""
        return [one for one in self._unknown(reader) if one.verified]

    def _unknown(self, reader: StatementReader) -> list[Statement]:
        known = continuations.known_to_be_gone(reader, self.vouched) if self._differ else frozenset()
        return [one for one in self._differ if (one.seq, one.head) not in known]

    def tell(self, report: Report, reader: StatementReader) -> None:
        """Add what is wrong to the report."""
        last = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
        for one in self.contradicting(reader):
            if one.seq > last:
                report.add("beyond", one.seq, f"the {one.where} names entry {one.seq}, and the ledger ends at {last}")
            elif one.seq <= self.vouched:
                report.add("fork", one.seq, f"the {one.where} names another entry {one.seq} ({one.head}); both were signed")
            else:
                report.add("rewritten", one.seq, f"the {one.where} names another entry {one.seq} ({one.head})")
        for one in self._forged:
            report.add("forged", one.where.rpartition(" ")[2], f"the {one.where} holds no statement of ours")
        for one in self._unread:
            report.add("unreadable", one.where.rpartition(" ")[2], f"the {one.where} cannot be read")
        for one in self._unknown(reader):
            if not one.verified:
                said = f"the {one.where} names another entry {one.seq} ({one.head}), signed with a key that is not here"
                report.add("unvouched", one.seq, said + ": if it was retired, give it with --keys")
        beyond = [one for one in self._retired if one.seq > self.vouched]
        if beyond:
            said = f"{len(beyond)} statements beyond entry {self.vouched}, the first the {beyond[0].where}, are signed with a "
            report.add("unvouched", beyond[0].seq, said + "key that is not here: after a rotation run `ledger checkpoint`")
        for one in [*self._unlike, *(one for one in self._retired if one.seq <= self.vouched and not self.is_vouched(one.seq))]:
            said = f"the {one.where} is signed with a key that is not here, and entry {one.seq} does not bear it out"
            report.add("unvouched", one.seq, said)


def _batched(found: Iterable):
    rest = iter(found)
    while batch := list(itertools.islice(rest, _AT_ONCE)):
        yield batch
