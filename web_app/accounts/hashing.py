"""Who may have a password hashed now? A hash costs a quarter of a second of a core, and anybody can ask for one (ADR 0029).

The bound stands in the hasher, so that no way to it goes round: signing in, changing one's password, operators who set one.
"""

import contextlib
import threading
from collections.abc import Iterator

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from web_app.config.places import Places

# Of this process. Those who are known here (by a device cookie, or signed in) do not wait behind strangers, and one of them has room
# to wait whatever another one does.
STRANGERS = Places(1, waiting=3, patience=2.0)
KNOWN = Places(1, waiting=2, patience=2.0)

_thread = threading.local()


@contextlib.contextmanager
def by_who_is_known(account: str) -> Iterator[None]:
    """What is hashed within is asked for by somebody who was signed in here before, to this account."""
    before, _thread.account = getattr(_thread, "account", None), account.casefold()
    try:
        yield
    finally:
        _thread.account = before


@contextlib.contextmanager
def place() -> Iterator[None]:
    """For the length of a `with` block; one within another is the same place. Raises WebBusy."""
    if getattr(_thread, "has_place", False):
        yield
        return
    account = getattr(_thread, "account", None)
    with STRANGERS.taken() if account is None else KNOWN.taken(account):
        _thread.has_place = True
        try:
            yield
        finally:
            _thread.has_place = False


class BoundedHasher(PBKDF2PasswordHasher):
    """Django's own, and its hashes; so many at once."""

    def encode(self, *args, **kwargs):
        with place():
            return super().encode(*args, **kwargs)
