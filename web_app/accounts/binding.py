"""The cookie that ties upload tokens to one browser (docs/token-format.md, `cnf`)."""

import base64
import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "__Host-sluice-binding"
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def binding_of(request: HttpRequest) -> str | None:
    """The browser's binding value; None for a browser that has none (or a damaged one)."""
    present = request.COOKIES.get(COOKIE, "")
    return present if _FORM.fullmatch(present) else None


def binding_made_of(*secret: str) -> str:
    """One that nobody can guess who does not know SECRET_KEY; of the same it is the same."""
    made = salted_hmac("web_app.accounts.binding", "\0".join(secret), algorithm="sha256").digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def keep_binding(response: HttpResponse, value: str) -> None:
    """Set it with every grant, so that it lives as long as the session, and past the grant's end."""
    response.set_cookie(
        COOKIE, value, max_age=settings.SESSION_COOKIE_AGE, path="/", secure=True, httponly=True, samesite="Strict"
    )


def forget_binding(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, path="/", samesite="Strict")
