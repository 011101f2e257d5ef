"""The signed link by which a person sets a password, without signing in (ADR 0040).

It stands behind the `#` of an address: browsers send that to nobody, so it comes into no log, no Referer, and no program that opens
links before their reader does uses it up. A script of the page puts it into the form.
"""

import hmac

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils.crypto import salted_hmac

from web_app.accounts.models import User

_SALT = "web_app.accounts.links"
FORGOTTEN, INVITED = "forgotten", "invited"
GOOD_FOR = {FORGOTTEN: 3600, INVITED: 7 * 86400}  # seconds


def link_for(person: User, kind: str) -> str:
    """`kind`: FORGOTTEN or INVITED. Good once, for GOOD_FOR, and until the person signs in or their address changes."""
    secret = signing.dumps([kind, person.uploader_id, _standing(person)], salt=_SALT)
    return f"{settings.PUBLIC_URL}{reverse('accounts:new-password')}#{secret}"


def person_of(secret: str) -> User | None:
    """Whose link it is, if it is still good."""
    for kind, seconds in GOOD_FOR.items():
        try:
            said, uploader_id, _ = signing.loads(secret, salt=_SALT, max_age=seconds)
        except (signing.BadSignature, ValueError, TypeError):
            continue
        if said == kind:
            person = User.objects.filter(uploader_id=uploader_id).first()
            return person if person is not None and is_good(secret, person) else None
    return None


def is_good(secret: str, person: User) -> bool:
    """Whether nothing happened since that makes it worthless; its age is looked at by `person_of`."""
    *_, standing = signing.loads(secret, salt=_SALT)
    return person.is_active and hmac.compare_digest(standing, _standing(person))


def _standing(person: User) -> str:
    """What the link ends with."""
    seen = person.last_login.isoformat() if person.last_login else ""
    return salted_hmac(_SALT, "\0".join([person.password, seen, person.email]), algorithm="sha256").hexdigest()[:32]
