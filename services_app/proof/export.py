"""Entries of the ledger for an auditor: whole, so that each hash can be computed again; ids, numbers and codes alone."""

import csv
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q, QuerySet

from services_app.ledger.models import Entry
from services_app.uploads.models import Grant

COLUMNS = ("seq", "at", "event", "upload_id", "grant_id", "facts", "previous", "hash")


@dataclass(frozen=True, slots=True)
class Asked:
    """All must hold; None asks nothing. Days are in UTC, `last` included. `person` is a token's `sub`."""

    upload_id: uuid.UUID | None = None
    person: str | None = None
    collection: str | None = None
    first: date | None = None
    last: date | None = None


def entries(asked: Asked) -> QuerySet[Entry]:
    """In the order of the chain. Whose an upload was, and where it went, stands with its grant: what was pruned is not found by it."""
    found = Entry.objects.order_by("seq")
    if asked.upload_id is not None:
        found = found.filter(upload_id=asked.upload_id)
    if asked.person is not None:
        found = found.filter(grant_id__in=Grant.objects.filter(sub=asked.person).values("id"))
    if asked.collection is not None:
        of_grants = Q(grant_id__in=Grant.objects.filter(collection=asked.collection).values("id"))
        found = found.filter(of_grants | Q(facts__collection=asked.collection))
    if asked.first is not None:
        found = found.filter(at__gte=datetime.combine(asked.first, time.min, UTC))
    if asked.last is not None:
        found = found.filter(at__lt=datetime.combine(asked.last + timedelta(days=1), time.min, UTC))
    return found


def as_json_lines(found: QuerySet[Entry]) -> Iterator[str]:
    return (json.dumps(_plain(entry)) for entry in found.iterator())


def as_csv(found: QuerySet[Entry]) -> Iterator[str]:
    """With the names of the columns first; `facts` is JSON."""
    writer = csv.writer(_Echo(), lineterminator="")
    yield writer.writerow(COLUMNS)
    for entry in found.iterator():
        plain = _plain(entry)
        yield writer.writerow([json.dumps(plain[name]) if name == "facts" else plain[name] for name in COLUMNS])


def _plain(entry: Entry) -> dict:
    """As entry_hash has it."""
    ids = {"upload_id": str(entry.upload_id), "grant_id": str(entry.grant_id)}
    return {name: getattr(entry, name) for name in COLUMNS} | ids | {"at": entry.at.isoformat()}


class _Echo:
    def write(self, line: str) -> str:
        return line
