"""Bounds guessing of passwords, without giving strangers the power to shut somebody out (ADR 0029).

Tries are counted before the password is looked at, so that many at once cannot get past the count; a success gives
the try back. Keys are digests: what is typed into the name field may be a password.

A browser in which this account was signed in to before is counted by itself (devices.py). All others are counted by account and
network, by network, and by account; of a network that had no try at this account yet the first one is heard long after the
others are not, so that the owner gets in from anywhere new.
"""

import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from web_app.accounts.models import SignInTries
from web_app.config.addresses import network_of

WINDOW = datetime.timedelta(minutes=15)
BY_DEVICE = 10
# A guesser at one address, one who spreads over accounts, one who spreads over addresses.
BY_ACCOUNT_AND_ADDRESS = 5
BY_ADDRESS = 50
BY_ACCOUNT = 100
# The same with one try from each address: so many addresses it takes to shut out an owner who comes from a new one.
BY_ACCOUNT_FIRST_TRIES = 1000
# Wrong codes of a second step, of one person. Nobody gets to it without the password, so these shut nobody out but who shares it: in a
# browser that signed in before in WINDOW, in all others together in a day. Three codes of a million are right at a time.
CODES_BY_DEVICE = 10
CODES_BY_PERSON = 20
A_DAY = datetime.timedelta(days=1)
# Links by mail, in an hour.
AN_HOUR = datetime.timedelta(hours=1)
ASKS_BY_ADDRESS = 20
LINKS_BY_PERSON = 3


class TooManyTries(Exception):
    def __init__(self, seconds: int):
        super().__init__("too_many_tries")
        self.seconds = seconds


def take_a_try(account: str, address: str, device: str | None = None) -> None:
    """Count one try. Raises TooManyTries, with the seconds until the next one is allowed; a try that is refused counts nowhere.

    Rows are locked one after the other in the order of `_bounds`, here and below: two that go opposite ways would wait for each
    other for ever (PostgreSQL; SQLite has one writer at a time anyway).
    """
    _take(_bounds(account, address, device), WINDOW, {BY_ACCOUNT: BY_ACCOUNT_FIRST_TRIES})


def ask_for_a_link(address: str) -> None:
    """Of whomever: so many may be asked for from one network. Raises TooManyTries."""
    _take([(_key("asks for a link", network_of(address)), ASKS_BY_ADDRESS)], AN_HOUR, {})


def take_a_link(person: str) -> None:
    """For this person, whoever asked for it: nobody's mailbox is flooded. Raises TooManyTries."""
    _take([(_key("link", person), LINKS_BY_PERSON)], AN_HOUR, {})


def take_a_code(person: str, device: str | None) -> None:
    """Count one try at the second step, before it is looked at. Raises TooManyTries."""
    _take([_code_bound(person, device)], WINDOW if device else A_DAY, {})


def give_the_code_back(person: str, device: str | None) -> None:
    """It was right. What was tried before it goes on counting: that may have been somebody else."""
    key, _ = _code_bound(person, device)
    SignInTries.objects.filter(key=key, count__gt=0).update(count=F("count") - 1)


def _code_bound(person: str, device: str | None) -> tuple[str, int]:
    return (_key("code", person, device), CODES_BY_DEVICE) if device else (_key("code", person), CODES_BY_PERSON)


def _take(bounds: list[tuple[str, int]], window: datetime.timedelta, raised: dict[int, int]) -> None:
    """`raised`: limits that are higher where the first of the bounds had nothing to count yet."""
    now = timezone.now()
    # Housekeeping alone, by itself: it takes rows in any order.
    SignInTries.objects.filter(window_ends_at__lte=now - WINDOW).delete()
    with transaction.atomic():
        taken, wait, is_first = [], datetime.timedelta(), False
        for number, (key, limit) in enumerate(bounds):
            tries, _ = SignInTries.objects.select_for_update().get_or_create(
                key=key, defaults={"count": 0, "window_ends_at": now + window}
            )
            # One that ends much later than any window can was made before the clock was set back.
            if not now < tries.window_ends_at <= now + 2 * window:
                tries.count, tries.window_ends_at = 0, now + window
            if number == 0:
                is_first = tries.count == 0
            if is_first and limit in raised:
                limit = raised[limit]
            if tries.count >= limit:
                wait = max(wait, tries.window_ends_at - now)
            taken.append(tries)
        for tries in taken if not wait else ():
            tries.count += 1
            tries.save()
    if wait:
        raise TooManyTries(int(wait.total_seconds()) + 1)


def give_the_try_back(account: str, address: str, device: str | None = None) -> None:
    """The password was right."""
    (first, _), *others = _bounds(account, address, device)
    with transaction.atomic():
        # Not deleted: a rival that finds the row gone while it waits for it would have to begin anew.
        SignInTries.objects.filter(key=first).update(count=0)
        for key, _ in others:
            SignInTries.objects.filter(key=key, count__gt=0).update(count=F("count") - 1)


def _bounds(account: str, address: str, device: str | None = None) -> list[tuple[str, int]]:
    account, network = account.casefold(), network_of(address)
    if device is not None:
        return [(_key("device", account, device), BY_DEVICE)]
    return [
        (_key("both", account, network), BY_ACCOUNT_AND_ADDRESS),
        (_key("address", network), BY_ADDRESS),
        (_key("account", account), BY_ACCOUNT),
    ]


def _key(*parts: str) -> str:
    return salted_hmac("web_app.accounts.throttle", "\0".join(parts), algorithm="sha256").hexdigest()
