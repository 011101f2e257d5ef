"""Bounds guessing of passwords.

Tries are counted before the password is looked at, so that many at once cannot get past the count; a success gives
the try back. Keys are digests: what is typed into the name field may be a password.
"""

import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from web_app.accounts.models import SignInTries

WINDOW = datetime.timedelta(minutes=15)
# A guesser at one address, one who spreads over accounts, one who spreads over addresses. The last bound is wide,
# since it lets a stranger lock an account's owner out for a while.
BY_ACCOUNT_AND_ADDRESS = 5
BY_ADDRESS = 50
BY_ACCOUNT = 100


class TooManyTries(Exception):
    def __init__(self, seconds: int):
        super().__init__("too_many_tries")
        self.seconds = seconds


def take_a_try(account: str, address: str) -> None:
    """Count one try. Raises TooManyTries, with the seconds until the next one is allowed.

    Rows are locked one after the other in the order of `_bounds`, here and below: two that go opposite ways would wait for each
    other for ever (PostgreSQL; SQLite has one writer at a time anyway).
    """
    now = timezone.now()
    wait = datetime.timedelta()
    # Housekeeping alone, by itself: it takes rows in any order.
    SignInTries.objects.filter(window_ends_at__lte=now - WINDOW).delete()
    with transaction.atomic():
        for key, limit in _bounds(account, address):
            tries, _ = SignInTries.objects.select_for_update().get_or_create(
                key=key, defaults={"count": 0, "window_ends_at": now + WINDOW}
            )
            # One that ends much later than any window can was made before the clock was set back.
            if not now < tries.window_ends_at <= now + 2 * WINDOW:
                tries.count, tries.window_ends_at = 0, now + WINDOW
            if tries.count >= limit:
                wait = max(wait, tries.window_ends_at - now)
            else:
                tries.count += 1
                tries.save()
    if wait:
        raise TooManyTries(int(wait.total_seconds()) + 1)


def give_the_try_back(account: str, address: str) -> None:
    """The password was right."""
    (both, _), *others = _bounds(account, address)
    with transaction.atomic():
        # Not deleted: a rival that finds the row gone while it waits for it would have to begin anew.
        SignInTries.objects.filter(key=both).update(count=0)
        for key, _ in others:
            SignInTries.objects.filter(key=key, count__gt=0).update(count=F("count") - 1)


def _bounds(account: str, address: str) -> list[tuple[str, int]]:
    def key(*parts: str) -> str:
        return salted_hmac("web_app.accounts.throttle", "\0".join(parts), algorithm="sha256").hexdigest()

    account = account.casefold()
    return [
        (key("both", account, address), BY_ACCOUNT_AND_ADDRESS),
        (key("address", address), BY_ADDRESS),
        (key("account", account), BY_ACCOUNT),
    ]
