"""People get a password without an operator: the first by invitation, another one when it was forgotten."""

import unicodedata

from django.db import transaction
from django.db.models import Q

from web_app.accounts import links, post, throttle
from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import Who, record

LONGEST = 254  # characters of a name or an address
_AT_MOST = 5  # people who share an address


class NotInvited(Exception):
    """Why there is no invitation, in words for an operator."""


def invitable(person: User) -> str:
    """Empty, or why this person gets no first password."""
    if not person.is_active:
        return f"{person} is not active."
    if person.has_usable_password():
        return f"{person} has a password. Who has forgotten theirs asks for a link on the sign-in page, or gets a new one from an operator."
    return ""


def invite(person: User, *, who: Who, by_mail: bool) -> None:
    """Into the audit, before a link is sent or shown. Raises NotInvited."""
    if why := invitable(person):
        raise NotInvited(why)
    if by_mail and not person.email:
        raise NotInvited(f"{person} has no e-mail address.")
    with transaction.atomic():
        record(who, Action.PASSWORD_LINK_SENT, "user", person.uploader_id, person=person)


def send_forgotten(typed: str, address: str | None) -> None:
    """To whoever has that name or address, if there is somebody who may sign in by a password. Says nothing, to nobody."""
    for person in _known_as(typed):
        try:
            throttle.take_a_link(person.uploader_id)
        except throttle.TooManyTries:
            continue
        with transaction.atomic():
            record(Who(None, address), Action.PASSWORD_LINK_SENT, "user", person.uploader_id, person=person)
        post.send(person, links.FORGOTTEN)


def set_by_link(secret: str, person: User, password: str) -> bool:
    """False where the link was used, or became worthless, a moment ago."""
    person.set_password(password)  # takes its time: outside of the transaction
    with transaction.atomic():
        now = User.objects.select_for_update(no_key=True).get(pk=person.pk)
        if not links.is_good(secret, now):
            return False
        person.save(update_fields=["password"])
    return True


def _known_as(typed: str) -> list[User]:
    found = User.objects.filter(Q(username=typed) | Q(email__iexact=typed), is_active=True).exclude(email="")[:_AT_MOST]
    # Databases fold case in ways that take other letters for the same: the mail goes to what is stored, and to nobody alike.
    return [one for one in found if one.has_usable_password() and (one.username == typed or _is_same(one.email, typed))]


def _is_same(address: str, typed: str) -> bool:
    """As Unicode compares identifiers (UTR 36, section 2.11.2(B)(2))."""
    return unicodedata.normalize("NFKC", address).casefold() == unicodedata.normalize("NFKC", typed).casefold()
