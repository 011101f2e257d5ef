"""Which browser a grant's token is bound to: one person's, and only until they sign out there (docs/token-format.md, `cnf`).

A session is known by a name of its own, which it has from signing in to signing out. All that was bound in that time ends with it,
whatever cookies are sent then.
"""

import datetime
import itertools
import secrets

from django.contrib.auth import get_user
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from web_app.accounts.binding import binding_made_of, binding_of
from web_app.accounts.models import User
from web_app.accounts.sessions import SIGN_IN
from web_app.collections.models import Collection
from web_app.config.errors import NotSignedIn
from web_app.grants import revoking
from web_app.grants.models import Browser, Overseen, Revocation
from web_app.tokens.claims import cookie_digest


def binding_for(request: HttpRequest) -> str:
    """The binding of this person in this browser; another one where there is none, it was somebody else's, or it has ended.

    It is made of the sign-in, so that one who sends no cookie is given the same again: each is a row here, and has to be ended.
    """
    present = binding_of(request)
    if present is not None and not _is_over(present) and request.user.browsers.filter(digest=cookie_digest(present)).exists():
        return present
    sign_in = request.session.get(SIGN_IN) or request.session.session_key  # one that an earlier release opened has no name
    made = (binding_made_of(sign_in, request.user.get_session_auth_hash(), str(number)) for number in itertools.count())
    return next(binding for binding in made if not _is_over(binding))


def _is_over(binding: str) -> bool:
    return Revocation.objects.filter(browser=cookie_digest(binding)).exists()


def note(binding: str, person: User, until: datetime.datetime, sign_in: str) -> None:
    """A token that ends then is bound to it."""
    digest = cookie_digest(binding)
    known = {"person": person, "until": until, "sign_in": sign_in}
    _, is_new = Browser.objects.get_or_create(digest=digest, defaults=known)
    if is_new:
        return
    browser = Browser.objects.select_for_update().get(digest=digest)
    browser.until, browser.sign_in = max(browser.until, until), sign_in
    browser.save(update_fields=["until", "sign_in"])
    # It may have ended since this was asked for; then that lasts as long as the token.
    Revocation.objects.filter(browser=digest, until__lt=until).update(until=until, heard_at=None)


def note_overseen(binding: str, collection: Collection, until: datetime.datetime) -> None:
    """A names token of a collection's coordinator ends then; the browser must have been noted. It ends with that role (`revoking`)."""
    named = {"browser_id": cookie_digest(binding), "collection": collection}
    Overseen.objects.update_or_create(**named, defaults={"until": until})


def sign_in_of(request: HttpRequest) -> str:
    """The name of what a browser's session was opened by; empty for a script's key."""
    return request.session.get(SIGN_IN, "") if request.api_key is None else ""


def check_still_signed_in(request: HttpRequest, binding: str | None) -> None:
    """Behind the commit: who signed out meanwhile, or changed the password, did not see this token. Raises NotSignedIn."""
    if binding is None or (request.session.exists(request.session.session_key) and get_user(request).is_authenticated):
        return
    revoking.end_browsers(Browser.objects.filter(digest=cookie_digest(binding)))
    raise NotSignedIn


def take_over(request: HttpRequest, user: User) -> None:
    """Somebody signed in: what the person before them left in this browser is worth nothing."""
    sign_in = request.session.setdefault(SIGN_IN, secrets.token_urlsafe(16))
    if present := binding_of(request):
        # What this person began here, before they were signed out for idling, belongs to this sign-in now, and ends with it.
        Browser.objects.filter(person=user, digest=cookie_digest(present)).update(sign_in=sign_in)
        others = Browser.objects.exclude(person=user)
        opened = others.filter(digest=cookie_digest(present)).exclude(sign_in="").values("sign_in")
        _end(others.filter(Q(digest=cookie_digest(present)) | Q(sign_in__in=opened)))


def sign_out(request: HttpRequest) -> None:
    """The session goes first: whoever is making a token looks behind the commit whether it is still there."""
    present, opened = binding_of(request), request.session.get(SIGN_IN)
    named = Q(digest=cookie_digest(present)) if present else Q(pk__in=[])
    request.session.flush()
    _end(Browser.objects.filter(named | Q(sign_in=opened) if opened else named))


def end_sign_in(user: User, sign_in: str) -> None:
    """Signed out from another browser."""
    _end(Browser.objects.filter(person=user, sign_in=sign_in))


def end_all_but(user: User, sign_in: str) -> int:
    return _end(Browser.objects.filter(person=user).exclude(sign_in=sign_in))


def sign_out_everywhere(user: User) -> None:
    """In every browser of a person: whoever knew the old password may sit at one."""
    _end(Browser.objects.filter(person=user))


def _end(found: QuerySet[Browser]) -> int:
    """How many."""
    ended = revoking.end_browsers(found)
    # Again, for one that was bound while this transaction ran, and that did not see it.
    transaction.on_commit(lambda: revoking.end_browsers(found.all()), robust=True)
    return ended
