"""How much may one person have here at all? Bounds that a busy site never meets (ADR 0027).

Places that are shared at a moment stand in ownership/places.py; these are what stays: rows, names, staged bytes. Bytes count before
they come: a request speaks for those that it brings (`Upload.spoken_for`) in the person's turn, so that many which come at the same
moment do not all see the same number.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date
from typing import NamedTuple

from django.conf import settings
from django.db.models import Case, Count, F, Sum, When
from django.db.models.functions import Greatest

from services_app.tokens.claims import Claims

from . import errors
from .models import Person, Upload
from .ownership import leases
from .states import RUNNING, State

METADATA = 8192  # bytes of Upload-Metadata, which is kept with the upload and told by HEAD
REFUSED = 100  # grants of one person that are kept although nothing was ever begun under them, to tell why not
TRIES = 1000  # uploads that may be begun under one grant, beside two for each object that it allows

_UNFINISHED = (State.WAITING, *RUNNING)


def check(claims: Claims, length: int | None, besides: Iterable[Upload] = ()) -> None:
    """May this person begin one more upload, of `length` bytes if that is known? Those `besides` give way to it. Raises TooManyTries,
    TooManyUploads, TooManyUnfinished, TooMuchUnfinished, or these two of the collection alone.
    """
    if Upload.objects.filter(grant_id=claims.jti).count() >= TRIES + 2 * claims.max_uploads:
        raise errors.TooManyTries
    daily = settings.UPLOAD_DAILY_PER_PERSON
    if daily and Person.objects.filter(sub=claims.sub, day=_today(), begun__gte=daily).exists():
        raise errors.TooManyUploads
    for each in _bounds(claims):
        count, staged = _unfinished(each.rows, [upload.id for upload in besides])
        if each.count and count >= each.count:
            raise each.too_many
        if each.staged and staged + (length or 0) > each.staged:
            raise each.too_much


def check_more(claims: Claims, upload: Upload, size: int, *, ahead: int = 0) -> int:
    """May this person's upload hold `size` bytes, whatever it holds now? How many it may, of `size` and so many `ahead`. Raises
    TooMuchUnfinished.
    """
    most = size + ahead
    for each in _bounds(claims):
        if each.staged:
            left = each.staged - _unfinished(each.rows, [upload.id])[1]
            if size > left:
                raise each.too_much
            most = min(most, left)
    return most


def note_begun(claims: Claims) -> None:
    """One more today. In the transaction that begins it, in the person's turn."""
    today = _today()
    person, _ = Person.objects.get_or_create(sub=claims.sub, defaults={"day": today})
    begun = F("begun") + 1 if person.day == today else 1
    Person.objects.filter(sub=claims.sub).update(day=today, begun=begun)


class _Bound(NamedTuple):
    """Of unfinished uploads and their bytes; None or 0 for none."""

    count: int | None
    staged: int | None
    rows: dict[str, str]
    too_many: type[errors.Problem]
    too_much: type[errors.Problem]


def _bounds(claims: Claims) -> Iterator[_Bound]:
    """That of the person, and the one that the token names for the person in its collection."""
    person = {"grant__sub": claims.sub}
    count, staged = settings.UPLOAD_UNFINISHED_PER_PERSON, settings.UPLOAD_STAGED_PER_PERSON
    yield _Bound(count, staged, person, errors.TooManyUnfinished, errors.TooMuchUnfinished)
    if claims.max_unfinished or claims.max_staged:
        here = person | {"grant__collection": claims.collection}
        yield _Bound(claims.max_unfinished, claims.max_staged, here, errors.TooManyHere, errors.TooMuchHere)


def _unfinished(rows: dict[str, str], besides: list[uuid.UUID]) -> tuple[int, int]:
    """How many there are, and how many bytes they hold: those that are safe, and those that a running request has spoken for."""
    found = Upload.objects.filter(state__in=_UNFINISHED, **rows).exclude(id__in=besides)
    running = When(state=State.RECEIVING, lease_until__gt=leases.now(), then=Greatest("offset", "spoken_for"))
    told = found.aggregate(count=Count("id"), staged=Sum(Case(running, default="offset")))
    return told["count"], told["staged"] or 0


def _today() -> date:
    """By the clock of the database, in UTC."""
    return leases.now().astimezone(UTC).date()
