"""Who is asking: sessions that outlive long uploads and end when they idle, and API keys for scripts."""

import logging
import time

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware

from web_app.accounts import api_keys
from web_app.accounts.factors.policies import OPTIONAL, is_demanded_of
from web_app.accounts.sessions import SEEN, WITH_FACTOR, is_idle, seen_every
from web_app.audit import security
from web_app.config.errors import ApiKeyRefused
from web_app.config.outage import is_of_the_database
from web_app.config.problems import problem_response

logger = logging.getLogger(__name__)

_LONGEST = 7 * 24 * 3600


class KeptAnswers(SessionMiddleware):
    """Django's sessions, but for one thing: a view's answer stays when the session that came with the request cannot be saved
    behind it. What the view did is done. A session that begins with this answer must be saved.
    """

    def process_response(self, request, response):
        try:
            return super().process_response(request, response)
        except Exception as exc:
            came_with = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
            if not is_of_the_database(exc) or not came_with or request.session.session_key != came_with:
                raise
            logger.error("session_not_saved", exc_info=True)
            return response


class RollingSession:
    """Push a session's end ahead while it is used, written at most once in five minutes; close it when nothing was asked of it for
    SESSION_IDLE, where a second factor came to be demanded, and a week after log-in at the latest. Upload tokens do not end with it
    then: what is being sent goes on, and the page asks its person to sign in again.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        # Only who sends a session cookie is looked up: health checks and API keys cost no query.
        if request.session.session_key and "signed_in_at" in request.session:
            self._renew(request)
        return self.get_response(request)

    @staticmethod
    def _renew(request) -> None:
        session, now = request.session, int(time.time())
        if now - session["signed_in_at"] > _LONGEST or is_idle(session, now) or _lacks_a_factor(request):
            session.flush()
            request.user = AnonymousUser()
        elif now - session.get(SEEN, 0) > seen_every():
            session[SEEN] = now


def _lacks_a_factor(request) -> bool:
    """Opened by a password alone, before a second factor was demanded of this person: they sign in again, and set one up then."""
    may_be_demanded = settings.SECOND_FACTOR != OPTIONAL and not request.session.get(WITH_FACTOR)
    return may_be_demanded and request.user.is_authenticated and is_demanded_of(request.user)


class ApiKeySignIn:
    """`Authorization: Bearer slk_…` under /api/ signs one request in. A bad key is refused, never ignored."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.api_key = None
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header and request.path_info.startswith("/api/"):
            scheme, _, credentials = header.partition(" ")
            key = api_keys.find(credentials.strip()) if scheme.lower() == "bearer" else None
            if key is None:
                known = api_keys.named_in(credentials.strip())
                owner, prefix = (known.user, known.prefix) if known is not None else (None, "")
                security.note("api_key_refused", request, person=owner, api_key=prefix)
                return problem_response(ApiKeyRefused())
            _note_use(key, request)
            request.user, request.api_key = key.user, key
            # No browser adds this header by itself, so there is no request to forge.
            request._dont_enforce_csrf_checks = True
        return self.get_response(request)


def _note_use(key, request) -> None:
    """For who looks at keys later. That it cannot be noted is no reason to refuse what was asked."""
    try:
        api_keys.note_use(key, address=request.META.get("REMOTE_ADDR") or None)
    except Exception as exc:
        if not is_of_the_database(exc):
            raise
        logger.error("key_use_not_noted", exc_info=True)
