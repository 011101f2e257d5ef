"""How a grant ended that has brought nothing more, as a code, and in words for who looks at the list.

Three know of it, each of its own part: the services tier why it took nothing (refusals.py), `revoking` why permission was taken back, and
the page why it gave up. What the page says is its own person's word about their own file, and holds for nothing but these words.
"""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from web_app.grants import refusals, revoking
from web_app.grants.models import Grant
from web_app.grants.states import State

CANCELLED = "cancelled"  # by the person
STOPPED = "stopped"  # what a page met that has no words here

WORDS = {
    **refusals.WORDS,
    CANCELLED: _("Cancelled"),
    "expired": _("Ran out of time"),
    "superseded": _("Replaced by a newer try"),
    "file_unreadable": _("Stopped: file could not be read"),
    "no_space": _("Stopped: storage was full"),
    STOPPED: _("Stopped by a fault"),
    # Permission was taken back: the causes of `revoking`.
    revoking.PERSON: _("Ended: account closed"),
    revoking.COLLECTION: _("Ended: collection closed"),
    revoking.MEMBERSHIP: _("Ended: no longer a member"),
    revoking.LAST_DAY: _("Ran out of time"),
    revoking.API_KEY: _("Ended with its API key"),
    revoking.API_KEY_SCOPE: _("Ended with its API key"),
}
# What a page may say of its own giving up; whatever else it met was a fault.
OF_A_PAGE = frozenset({*refusals.WORDS, "superseded", "file_unreadable", "no_space"})


def given_up(because: str | None) -> str:
    """The code that is kept of a grant whose page or script gave it up, for the reason that it says; None is the person's own will."""
    if because is None:
        return CANCELLED
    return because if because in OF_A_PAGE else STOPPED


def of(grant: Grant, brought: bool | None = None) -> str:
    """One of WORDS; empty while something may still come, and once all has come. `brought`: whether anything is, if known."""
    if grant.state == State.COMPLETE:
        return ""
    refused = grant.refused
    if refused and (grant.stored.exists() if brought is None else brought):
        refused = ""
    if grant.state == State.CANCELLED:
        own = grant.end or CANCELLED
        return refused or own if own == CANCELLED else own
    return refused or ("expired" if grant.state == State.EXPIRED or grant.expires_at <= timezone.now() else "")


def was_refused(end: str) -> bool:
    return end in refusals.REFUSED
