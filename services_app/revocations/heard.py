"""What web_app told this tier to refuse, and whether a token is meant (ADR 0028). Every process and host asks the database."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from services_app.tokens.claims import Claims
from services_app.uploads.ownership import leases

from .models import Revocation

# A token cannot be used after its end. The rest is for clocks that disagree.
_LONGER = timedelta(days=1)
_AT_ONCE = 500  # values in one statement


def keep(subject: str, until: datetime) -> None:
    """Refuse every token of this grant, or of one second, or bound to this browser, from now on. Said again, it only ever lasts
    longer.
    """
    now = timezone.now()
    kept_until = max(until, now) + _LONGER
    kept = {"kept_until": kept_until, "boot": leases.boot(), "uptime": leases.uptime() + (kept_until - now).total_seconds()}
    row, is_new = Revocation.objects.get_or_create(subject=subject, defaults=kept)
    if not is_new and row.kept_until < kept_until:
        Revocation.objects.filter(subject=subject).update(**kept)


def among(subjects: Iterable[str]) -> set[str]:
    """Those of `subjects` that are revoked."""
    subjects, found = list(subjects), set()
    for at in range(0, len(subjects), _AT_ONCE):
        rows = Revocation.objects.filter(subject__in=subjects[at : at + _AT_ONCE])
        found.update(rows.values_list("subject", flat=True))
    return found


def subjects_of(claims: Claims) -> tuple[str, ...]:
    """What a revocation of this token would name: its grant, itself, then the browser that it is bound to, if any."""
    named = (str(claims.jti), token(claims.jti, claims.iat))
    return (*named, claims.cookie_sha256) if claims.cookie_sha256 else named


def token(grant_id: uuid.UUID, issued_at: int) -> str:
    """A grant has several tokens in time: those of one second are one."""
    return f"{grant_id}:{issued_at}"


def forget_old() -> int:
    """Remove what is about tokens that have long ended; returns how many.

    A clock that is set forward revives nothing: on this boot the machine must have run that long as well, and one that has just
    started does not believe its clock yet (ADR 0017).
    """
    over = Q(boot=leases.boot(), uptime__lte=leases.uptime())
    if leases.uptime() >= leases.CLOCK_MENDED:
        over |= ~Q(boot=leases.boot())
    return Revocation.objects.filter(over, kept_until__lte=timezone.now()).delete()[0]


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
