"""Who is asked for a second factor, and who must have one?"""

from django.conf import settings

from web_app.accounts.models import User
from web_app.accounts.sensitive import is_operator

OPTIONAL, STAFF, EVERYONE = "optional", "staff", "everyone"  # of SECOND_FACTOR


def factors_of(person: User) -> int:
    return int(hasattr(person, "totp")) + person.passkeys.count()


def has_factor(person: User) -> bool:
    return hasattr(person, "totp") or person.passkeys.exists()


def is_demanded_of(person: User) -> bool:
    return settings.SECOND_FACTOR == EVERYONE or (settings.SECOND_FACTOR == STAFF and is_operator(person))


def may_remove_one(person: User) -> bool:
    return factors_of(person) > 1 or not is_demanded_of(person)
