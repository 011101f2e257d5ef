"""Addresses that programs and browsers look for on any site (RFC 8615)."""

import datetime
import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

_CONTACT = re.compile(r"(?:mailto:[^\s@]+@[^\s@]+|https://\S+|tel:\+?[0-9.() -]*[0-9])")


@require_safe
def change_password(request: HttpRequest) -> HttpResponse:
    """Where password managers lead people (W3C, a well-known URL for changing passwords)."""
    return redirect("accounts:password")


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116. There is none without a contact, and none that has run out: one that is out of date is not to be trusted."""
    contact, until = settings.SECURITY_CONTACT, settings.SECURITY_CONTACT_UNTIL
    if not security_txt_is_usable(contact, until) or _end(until) <= timezone.now():
        raise Http404
    lines = [
        f"Contact: {contact}",
        f"Expires: {_end(until):%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    return HttpResponse("".join(f"{line}\r\n" for line in lines), content_type="text/plain; charset=utf-8")


def security_txt_is_usable(contact: str, until: str) -> bool:
    """Whether the two settings make one, be it by now out of date."""
    try:
        _end(until)
    except ValueError:
        return False
    return _CONTACT.fullmatch(contact) is not None


def _end(until: str) -> datetime.datetime:
    """Of that day, by UTC. Raises ValueError for what is no day."""
    return datetime.datetime.combine(datetime.date.fromisoformat(until), datetime.time(23, 59, 59), datetime.UTC)
