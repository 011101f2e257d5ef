"""Browsers in which somebody has signed in before, by a signed cookie for this one account (OWASP: device cookies).

Strangers who guess at an account cannot have one, so their tries never stand in its owner's way there.
"""

import secrets

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "__Host-sluice-device"
_SALT = "web_app.accounts.devices"
_KEPT_FOR = 180 * 86400  # seconds


def device_of(request: HttpRequest, account: str) -> str | None:
    """The mark of this browser, if this account was signed in to here; None for any other."""
    try:
        owner, mark = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_KEPT_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return mark if owner == _digest(account) else None


def remember(request: HttpRequest, response: HttpResponse, account: str) -> None:
    """The password was right here. One browser has one mark for an account, so that its tries are counted together."""
    mark = device_of(request, account) or secrets.token_urlsafe(16)
    value = signing.dumps([_digest(account), mark], salt=_SALT)
    response.set_cookie(
        COOKIE, value, max_age=_KEPT_FOR, path="/", secure=True, httponly=True, samesite="Strict"
    )


def _digest(account: str) -> str:
    return salted_hmac(_SALT, account.casefold(), algorithm="sha256").hexdigest()
