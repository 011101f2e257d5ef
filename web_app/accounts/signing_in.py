"""From the right password to a session that carries rights, with what may be asked in between (ADR 0046).

Between the two the browser is half signed in: its session says whose password was right, and when. Nothing but the second step reads
that, so it opens nothing.
"""

import hmac
import time

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse

from web_app.accounts import devices, sessions
from web_app.accounts.models import User
from web_app.audit.record import Who

GOOD_FOR = 600  # seconds from the password to the second step
_HALF = "half_signed_in"


def begin(request: HttpRequest, person: User, then: str) -> None:
    """The password was right; a second step comes. `then`: a path of ours, for afterwards."""
    request.session.cycle_key()  # what knew this browser's session before does not know it half signed in
    standing = person.get_session_auth_hash()
    request.session[_HALF] = {"person": person.uploader_id, "standing": standing, "at": int(time.time()), "then": then}


def person_between(request: HttpRequest) -> User | None:
    """Whose password was right in this browser, within GOOD_FOR, and still is."""
    half = request.session.get(_HALF)
    if half is None or not 0 <= time.time() - half["at"] < GOOD_FOR:
        return None
    person = User.objects.filter(uploader_id=half["person"], is_active=True).first()
    still = person is not None and hmac.compare_digest(half["standing"], person.get_session_auth_hash())
    return person if still else None


def then(request: HttpRequest) -> str:
    """Where this browser was to go, also where it took too long; empty where nothing was begun."""
    return request.session.get(_HALF, {}).get("then", "")


def complete(request: HttpRequest, response: HttpResponse, person: User, *, with_factor: bool) -> None:
    """All that is asked of this person was shown. Nothing else begins a session that carries rights."""
    request.session.pop(_HALF, None)
    before = request.session.session_key
    login(request, person)
    if request.session.session_key == before:
        request.session.cycle_key()  # Django keeps it for who was signed in already
    request.session["signed_in_at"] = int(time.time())
    request.session[sessions.WITH_FACTOR] = with_factor
    devices.remember(request, response, person.get_username())
    sessions.make_room(person, request.session, who=Who.asks(request))
