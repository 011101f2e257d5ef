"""What the entries of the ledger say of a stored file, held against its receipt's claims and against the database."""

import uuid
from collections.abc import Iterator
from datetime import datetime

from django.db import DataError
from django.db.models import Exists, OuterRef, Q

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.receipts.issue import REMOVAL
from services_app.receipts.read import NotSigned, StatementReader
from services_app.uploads import actions
from services_app.uploads.models import Upload
from services_app.uploads.states import State

from .findings import Report

COMMITTED = "committed"
STORED = (COMMITTED, record.ADOPTED)
_HELD = ("size", "sha256", "collection")
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, DataError)  # a column holds what was never written there


def lost() -> Iterator[tuple[int, uuid.UUID]]:
    """Uploads, by the first entry that says so, that were stored and never removed since, and that the database does not have as
    stored; or that it has as removed, and no entry says it.
    """
    restored = Entry.objects.filter(upload_id=OuterRef("upload_id"), event=record.RESTORED, seq__gt=OuterRef("seq"))
    removed = Entry.objects.filter(~Exists(restored), upload_id=OuterRef("upload_id"), event="deleted", seq__gt=OuterRef("seq"))
    stored = Upload.objects.filter(id=OuterRef("upload_id"), state=State.COMMITTED)
    known_as_removed = Exists(Upload.objects.filter(id=OuterRef("upload_id"), state=State.DELETED)) & Exists(removed)
    told = Entry.objects.filter(~Exists(stored), ~Q(known_as_removed), event__in=STORED).order_by("seq")
    seen = set()
    for seq in told.values_list("seq", flat=True).iterator():
        upload_id = _column(seq, "upload_id")
        if upload_id is not None and upload_id not in seen:
            seen.add(upload_id)
            yield seq, upload_id


def tell_lost(report: Report) -> None:
    for seq, upload_id in lost():
        said = f"entry {seq} says that upload {upload_id} was stored and none that it was removed, and the database does not have it"
        report.add("row_missing", upload_id, said)


def tell_unsigned_removals(report: Report, reader: StatementReader, holding, until: int = 0) -> None:
    """Entries `deleted` that no request of ours made: each carries a statement, signed for its place in the chain. One that is signed
    with a key that is not here is believed as everything of a retired key is (holding.py). Up to the entry `until` none is wanted.
    """
    for seq in Entry.objects.filter(event="deleted", seq__gt=until).order_by("seq").values_list("seq", flat=True).iterator():
        if not _is_signed(seq, reader, holding):
            report.add("unsigned", seq, f"entry {seq} says that something was removed, and nobody signed that")


def _is_signed(seq: int, reader: StatementReader, holding) -> bool:
    try:
        entry = Entry.objects.get(seq=seq)
        signed = reader.read(entry.facts.get("signed"), REMOVAL)
    except (NotSigned, *_UNREADABLE):
        return False
    of = {"upload_id": str(entry.upload_id), "grant": str(entry.grant_id), "after_seq": entry.seq - 1, "after_head": entry.previous}
    return of.items() <= signed.claims.items() and (signed.verified or holding.is_vouched(entry.seq))


def agreeing(claims: dict) -> int | None:
    """The entry that says the same as the claims of a receipt, as far as an entry says it: id, grant, size, digest, collection and
    when it was durable. It is the one that the receipt names, or says `adopted` and names the same as the receipt.
    """
    try:
        upload_id = uuid.UUID(claims["upload_id"])
        found = [entry.seq for entry in Entry.objects.filter(upload_id=upload_id, event__in=STORED) if _agrees(entry, claims)]
    except _UNREADABLE:
        return None
    return min(found, default=None)


def who_gave(upload_id: uuid.UUID) -> list[str]:
    """By whom its newest verdict was given, as the ledger says."""
    last = Entry.objects.filter(upload_id=upload_id, event__in=(record.RELEASED, record.QUARANTINED)).order_by("-seq").first()
    by = last.facts.get("by") if last and isinstance(last.facts, dict) else None
    return by if isinstance(by, list) else []


def time_of(seq: int) -> datetime | None:
    """When an entry was made; None where it cannot be read."""
    return _column(seq, "at")


def _column(seq: int, name: str):
    """None where it holds what was never written there: verify_ledger names the entry as broken."""
    try:
        return Entry.objects.values_list(name, flat=True).get(seq=seq)
    except _UNREADABLE:
        return None


def _agrees(entry: Entry, claims: dict) -> bool:
    if entry.hash != record.entry_hash(entry) or str(entry.grant_id) != claims["grant"]:
        return False
    if entry.event == COMMITTED:
        told = {"ledger_seq": entry.seq, "ledger_head": entry.hash, "durable_at": actions.rfc3339(entry.at)}
    else:
        told = {name: entry.facts[name] for name in ("ledger_seq", "ledger_head")}
    return {**told, **{name: entry.facts[name] for name in _HELD}}.items() <= claims.items()
