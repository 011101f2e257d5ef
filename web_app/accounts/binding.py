"""The cookie that ties upload tokens to one browser (docs/token-format.md, `cnf`)."""

import re
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "__Host-sluice-binding"
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def binding_of(request: HttpRequest) -> str:
    """The browser's binding value, or a new one for a browser that has none (or a damaged one)."""
    present = request.COOKIES.get(COOKIE, "")
    return present if _FORM.fullmatch(present) else secrets.token_urlsafe(32)


def keep_binding(response: HttpResponse, value: str) -> None:
    """Set it with every grant, so that it lives as long as the session, and past the grant's end."""
    response.set_cookie(
        COOKIE, value, max_age=settings.SESSION_COOKIE_AGE, path="/", secure=True, httponly=True, samesite="Strict"
    )


def forget_binding(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, path="/", samesite="Strict")
