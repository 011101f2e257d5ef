"""Sessions that know whose they are, so that people see where they are signed in, and end it there (ADR 0040).

Django's own store in the database, with one column more. Of a browser a rough name is kept, in the session itself.
"""

import datetime
import time
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from web_app.accounts.permissions import others_ended, session_ended
from web_app.audit.models import Action
from web_app.audit.record import Who, record

# What a session holds, beside what Django keeps there: its name from signing in to signing out (grants/browsers.py), the browser's
# rough name, when something was last asked of it, in seconds, and whether a second factor was shown.
SIGN_IN, BROWSER, SEEN, WITH_FACTOR = "sign_in", "browser", "seen_at", "with_factor"
_SEEN_EVERY = 300  # seconds
MOST = 50  # of one person


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls):
        from web_app.accounts.models import Session  # late: models name this engine

        return Session

    def create_model_instance(self, data):
        row = super().create_model_instance(data)
        row.person_id = data.get(SESSION_KEY)
        return row


def seen_every() -> int:
    """Seconds for which a session's use is not written down again."""
    return min(_SEEN_EVERY, settings.SESSION_IDLE // 10) if settings.SESSION_IDLE else _SEEN_EVERY


def is_idle(held, now: float) -> bool:
    """Whether nothing was asked of this session (a mapping) for SESSION_IDLE; never too early."""
    seen = held.get(SEEN, held.get("signed_in_at", now))
    return settings.SESSION_IDLE > 0 and now - seen > settings.SESSION_IDLE + seen_every()


@dataclass(frozen=True)
class SignedIn:
    """`ref` names it on a page: the key itself opens it. `seen` is exact to `seen_every`."""

    ref: str
    browser: str
    since: datetime.datetime
    seen: datetime.datetime
    is_here: bool


def all_of(person, here: str) -> list[SignedIn]:
    """`here`: the key of the session that asks; it comes first, then what was used last."""
    rows = [(row, row.get_decoded()) for row in _rows(person)]
    found = [_shown(row.session_key, held, here) for row, held in rows if not is_idle(held, time.time())]
    return sorted(found, key=lambda one: (one.is_here, one.seen), reverse=True)


def end(person, ref: str, *, who: Who) -> bool:
    """Sign out in that browser, as if by hand there; False where there is none of that name."""
    row = next((row for row in _rows(person) if _ref(row.session_key) == ref), None)
    if row is not None:
        _end(row, who)
    return row is not None


def make_room(person, session, *, who: Who) -> None:
    """Somebody signed in: beyond MOST the ones that were used longest ago end. Whoever signs in all day leaves no more behind."""
    others = _rows(person).exclude(session_key=session.session_key).order_by("-expire_date", "session_key")
    for row in others[MOST - 1 :]:
        _end(row, who)


def _end(row, who: Who) -> None:
    with transaction.atomic():
        # The session first: whoever is making a token looks behind the commit whether it is still there.
        row.delete()
        record(who, Action.SESSION_ENDED, "user", row.person.uploader_id, person=row.person)
        session_ended.send(sender=type(row), user=row.person, sign_in=row.get_decoded().get(SIGN_IN, ""))


def end_others(person, session, *, who: Who) -> None:
    """In every browser but that of `session`, also where nothing but tokens is left of a session that idled out. Where there is nothing
    to end, nothing is said of it in the audit, which keeps all that it is told.
    """
    with transaction.atomic():
        ended, _ = _rows(person).exclude(session_key=session.session_key).delete()
        told = others_ended.send(sender=SessionStore, user=person, sign_in=session.get(SIGN_IN, ""))
        if ended or any(number for _, number in told):
            record(who, Action.SESSION_ENDED, "user", person.uploader_id, person=person)


def forget_all_of(person) -> None:
    """They are worth nothing any more: Django holds each to the password that opened it."""
    person.sessions.all().delete()


def _rows(person):
    return person.sessions.filter(expire_date__gt=timezone.now())


def _shown(key: str, held: dict, here: str) -> SignedIn:
    since = held.get("signed_in_at", held.get(SEEN, 0))
    return SignedIn(
        ref=_ref(key),
        browser=_told(held[BROWSER]) if held.get(BROWSER) else _("Unknown browser"),
        since=_moment(since),
        seen=_moment(held.get(SEEN, since)),
        is_here=key == here,
    )


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _ref(key: str) -> str:
    return salted_hmac("web_app.accounts.sessions", key, algorithm="sha256").hexdigest()[:24]


_ON = " on "
# First match counts: most call themselves by the names of older ones as well.
_BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Chromium/": "Chromium", "Safari/": "Safari"}
_SYSTEMS = {
    "Windows": "Windows", "Android": "Android", "iPhone": gettext_noop("an iPhone"), "iPad": gettext_noop("an iPad"), "CrOS": "ChromeOS",
    "Mac OS X": gettext_noop("a Mac"), "Linux": "Linux",
}


def rough_name(user_agent: str) -> str:
    """ "Firefox on Windows": enough to know one's own by, and no version that tells more of a person than that."""
    browser = next((name for sign, name in _BROWSERS.items() if sign in user_agent), gettext_noop("A browser"))
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), gettext_noop("an unknown system"))
    return f"{browser}{_ON}{system}"


def _told(rough: str) -> str:
    """A rough name, in the language that is spoken now."""
    browser, _between, system = rough.partition(_ON)
    return _("%(browser)s on %(system)s") % {"browser": _(browser), "system": _(system)}
