"""What has ended goes after a while: names and metadata first, then the rows. The ledger keeps the ids (ADR 0027).

What is committed stays, for its row is the index of the store, but for what is of use to its sender alone. Of what was deleted over
the internal API the row stays, without its name.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from .models import Grant, Person, Upload
from .ownership import leases
from .states import State

NAMES_FOR = timedelta(days=1)  # after their last request: whoever looks meanwhile finds what was said

_AT_ONCE = 500  # rows: nobody waits long for the database meanwhile
_TOLD = {"metadata": "", "concat": ""}  # what a sender hears from HEAD, as long as it has a token
_SAID = {**_TOLD, "safe_name": "", "digest_state": None, "sha512_state": None}


def prune() -> dict[str, int]:
    """What was done: `names` forgotten, `uploads` and `grants` removed. Safe at any time."""
    now = leases.now()
    kept_since = now - timedelta(seconds=settings.UPLOAD_RETENTION)
    told = ~Q(metadata="") | ~Q(concat="")
    named = ~Q(safe_name="") | told
    token_ended = now - timedelta(seconds=settings.TOKEN_MAX_LIFE)
    stored = Upload.objects.filter(told, state=State.COMMITTED, durable_at__lt=token_ended)
    ended = Upload.objects.filter(state__in=(State.ABORTED, State.DELETED), lease_until__lt=now - NAMES_FOR)
    gone = Upload.objects.filter(state=State.ABORTED, lease_until__lt=kept_since, grant__expires_at__lt=kept_since)
    counts = {
        "names": sum(Upload.objects.filter(id__in=ids).update(**_SAID) for ids in _pieces(ended.filter(named)))
        + sum(Upload.objects.filter(id__in=ids).update(**_TOLD) for ids in _pieces(stored)),
        "uploads": sum(Upload.objects.filter(id__in=ids).delete()[0] for ids in _pieces(gone)),
    }
    over = Q(expires_at__lt=kept_since) | Q(first_used_at=None, expires_at__lt=now - NAMES_FOR)
    unused = Grant.objects.filter(over, uploads__isnull=True)
    counts["grants"] = sum(Grant.objects.filter(id__in=ids, uploads__isnull=True).delete()[0] for ids in _pieces(unused))
    Person.objects.filter(day__lt=(now - timedelta(days=2)).date()).delete()
    return counts


def _pieces(found: QuerySet) -> Iterator[list]:
    """The ids of what is found, so many at a time; what is done with them must take them out of it."""
    while ids := list(found.values_list("id", flat=True)[:_AT_ONCE]):
        yield ids
