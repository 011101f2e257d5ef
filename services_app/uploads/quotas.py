"""How much may be stored at all, by collection and by person? Counted before it is promised (ADR 0041).

The token says how far. What counts is what is stored and what is under way: of that the announced length, or where nobody has announced
one what is there and what its request has spoken for. So whatever ends gives back what it held, as it ends.
"""

import uuid
from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction
from django.db.models import BigIntegerField, Case, Count, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest

from services_app.config import turns
from services_app.tokens.claims import Claims, Quota

from . import errors
from .models import Stored, Upload
from .ownership import leases
from .states import RUNNING, State


class Used(NamedTuple):
    objects: int
    bytes: int


def take_turn(claims: Claims) -> None:
    """Whoever counts what a collection holds, and adds to it, goes alone; behind the person's turn. In a transaction."""
    if any(quota.of == "collection" for quota in claims.quotas):
        turns.take(turns.Turn.COLLECTION, claims.collection)


def check(claims: Claims, size: int | None, *, objects: int = 1, besides: Iterable[uuid.UUID] = ()) -> None:
    """May one more of `size` bytes begin, None for how many nobody knows yet? Those `besides` give way to it, or become it. Raises
    QuotaExceeded.
    """
    needed = {"objects": objects, "bytes": 1 if size is None else size}
    for quota, left in _left(claims, besides):
        if needed[quota.unit] > left:
            raise errors.QuotaExceeded(quota, max(left, 0))


def check_more(claims: Claims, upload: Upload, size: int, *, ahead: int = 0) -> int:
    """May this one hold `size` bytes? How many it may, of `size` and so many `ahead`. Raises QuotaExceeded.

    What was promised stays, whatever a newer token says.
    """
    if size + ahead <= _reserved(upload):
        return size + ahead
    most = size + ahead
    for quota, left in _left(claims, [upload.id]):
        if quota.unit == "bytes":
            if size > max(left, _reserved(upload)):
                raise errors.QuotaExceeded(quota, max(left - upload.offset, 0))
            most = min(most, max(left, size))
    return most


def told(claims: Claims) -> list[dict]:
    """Each quota of the token, and what is left of it now."""
    return [{"quota": of, "unit": unit, "limit": limit, "left": max(left, 0)} for (of, unit, limit), left in _left(claims)]


def used(collection: str | None, sub: str | None, besides: Iterable[uuid.UUID] = ()) -> Used:
    """By what is stored and what is under way, of all collections or persons where None is named. In one statement: what is
    committed meanwhile counts once.
    """
    named = {name: value for name, value in (("collection", collection), ("sub", sub)) if value is not None}
    stored = Stored.objects.filter(**named).order_by().values(which=Value(0))
    stored = stored.annotate(number=Sum("objects_stored"), size=Sum("bytes_stored"))
    under_way = Upload.objects.filter(state__in=(State.WAITING, *RUNNING), **{f"grant__{name}": value for name, value in named.items()})
    under_way = under_way.exclude(id__in=list(besides)).order_by().values(which=Value(1))
    under_way = under_way.annotate(number=Count("id", filter=~Q(concat="partial")), size=Sum(_held()))
    rows = list(stored.union(under_way, all=True))
    return Used(*(sum(int(row[name] or 0) for row in rows) for name in ("number", "size")))


def note_stored(upload: Upload, number: int = 1) -> None:
    """So many more are stored, -1 for one that is not any more. In the transaction of that change, which no wrong count must keep from
    happening: `recount` mends it.
    """
    of = {"collection": upload.grant.collection, "sub": upload.grant.sub}
    grown = {"objects_stored": number, "bytes_stored": number * upload.size}
    more = {name: Greatest(F(name) + Value(count), Value(0), output_field=BigIntegerField()) for name, count in grown.items()}
    if not Stored.objects.filter(**of).update(**more):
        Stored.objects.get_or_create(**of)
        Stored.objects.filter(**of).update(**more)


def _left(claims: Claims, besides: Iterable[uuid.UUID] = ()) -> Iterable[tuple[Quota, int]]:
    scopes = {
        "collection": (claims.collection, None),
        "person": (None, claims.sub),
        "person_here": (claims.collection, claims.sub),
    }
    counted: dict[str, Used] = {}
    for quota in claims.quotas:
        if quota.of not in counted:
            counted[quota.of] = used(*scopes[quota.of], besides)
        yield quota, quota.limit - getattr(counted[quota.of], quota.unit)


def _reserved(upload: Upload) -> int:
    return max(upload.held, upload.length or 0)


def _held():
    """The same for the database, where a request that is gone speaks for nothing any more."""
    running = When(state=State.RECEIVING, lease_until__gt=leases.now(), then=F("spoken_for"))
    spoken_for = Case(running, default=Value(0), output_field=BigIntegerField())
    return Greatest(F("offset"), Coalesce(F("length"), Value(0)), spoken_for, output_field=BigIntegerField())


def recount(*, dry_run: bool = False) -> int:
    """Make the counts of what is stored those of the rows, as after a restore, or where an older release committed during an upgrade;
    how many were others. Safe beside running uploads: whoever commits waits for the row that it is to change.
    """
    by_rows = Upload.objects.filter(state=State.COMMITTED).order_by()
    found = set(by_rows.values_list("grant__collection", "grant__sub").distinct()) | set(Stored.objects.values_list("collection", "sub"))
    return sum(_recount(collection, sub, dry_run) for collection, sub in found)


def _recount(collection: str, sub: str, dry_run: bool) -> bool:
    with transaction.atomic():
        Stored.objects.get_or_create(collection=collection, sub=sub)
        counted = Stored.objects.select_for_update().get(collection=collection, sub=sub)
        rows = Upload.objects.filter(state=State.COMMITTED, grant__collection=collection, grant__sub=sub)
        now = rows.aggregate(objects_stored=Count("id"), bytes_stored=Coalesce(Sum("size"), Value(0), output_field=BigIntegerField()))
        differs = any(getattr(counted, name) != value for name, value in now.items())
        if differs and not dry_run:
            Stored.objects.filter(id=counted.id).update(**now)
        return differs
