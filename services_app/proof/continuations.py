"""Going on after a restore, knowingly: an entry of the chain that names what was signed on the branch that is gone (ADR 0032).

It carries a statement signed with the receipt key, so that who can only write to the database cannot excuse a cut with one.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.receipts.issue import CONTINUATION
from services_app.receipts.read import NotSigned, StatementReader
from services_app.uploads.receipts import issuer

AT_ONCE = 500  # statements in one entry


@dataclass(frozen=True, slots=True)
class Continuation:
    """Entry `seq` knows these statements, (seq, head) each; `verified` as Signed.verified."""

    seq: int
    known: frozenset[tuple[int, str]]
    verified: bool


def found(reader: StatementReader) -> list[Continuation]:
    """All of them; one whose statement is not for its place in the chain, or is none of ours, knows nothing."""
    return [_continuation(entry, reader) for entry in Entry.objects.filter(event=record.CONTINUED).order_by("seq")]


def known_to_be_gone(reader: StatementReader, vouched: int = 0) -> frozenset[tuple[int, str]]:
    """What those know that a key signed which is here, or that stand before the entry up to which the chain is vouched for."""
    return frozenset().union(*(one.known for one in found(reader) if one.verified or one.seq <= vouched))


def _continuation(entry: Entry, reader: StatementReader) -> Continuation:
    try:
        signed = reader.read(entry.facts.get("signed"), CONTINUATION)
        place = (signed.claims["after_seq"], signed.claims["after_head"])
        known = frozenset((seq, head) for seq, head in signed.claims["known"])
    except (NotSigned, AttributeError, KeyError, TypeError, ValueError):
        return Continuation(entry.seq, frozenset(), verified=False)
    if place != (entry.seq - 1, entry.previous):
        return Continuation(entry.seq, frozenset(), verified=False)
    return Continuation(entry.seq, known, signed.verified)


def declare(known: list[tuple[int, str]]) -> list[Entry]:
    """Enter that these statements are of a branch that is gone."""
    return [_declare(known[begin : begin + AT_ONCE]) for begin in range(0, len(known), AT_ONCE)]


def _declare(known: list[tuple[int, str]]) -> Entry:
    with transaction.atomic():
        seq, head = record.head()
        signed = issuer().issue({"after_seq": seq, "after_head": head, "known": known}, CONTINUATION)
        facts, ids = {"signed": signed}, {"upload_id": record.OF_NO_UPLOAD, "grant_id": record.OF_NO_UPLOAD}
        return record.append(record.CONTINUED, **ids, at=timezone.now(), facts=facts)
