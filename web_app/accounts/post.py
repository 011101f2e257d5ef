"""What goes out by mail: a link by which somebody sets their password, who sends it, and whom to ask. Nothing else, ever (ADR 0040)."""

import logging
import smtplib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from web_app.accounts.links import FORGOTTEN, INVITED, link_for
from web_app.accounts.models import User
from web_app.config.errors import WebBusy
from web_app.metrics import counted

logger = logging.getLogger(__name__)

AT_ONCE = 50  # that strangers have waiting in this process; more are told to come again
# Of one process. It is made before gunicorn forks, and has no thread until there is something to do.
_clerk = ThreadPoolExecutor(1, thread_name_prefix="post")
_room = threading.BoundedSemaphore(AT_ONCE)

_SUBJECTS = {FORGOTTEN: _("Set a new password"), INVITED: _("Set your password")}
_TEXTS = {
    FORGOTTEN: _("""Somebody asked for a new password for your account at {place}. If that was you, set it here within an hour:

{link}

If it was not you, nothing needs to be done: nothing has changed.
"""),
    INVITED: _("""You have an account at {place}. Set your password here within seven days:

{link}
"""),
}


class NotSent(Exception):
    """The mail server was away, or refused it. The text names the kind of fault, never an address."""


def letter(person: User, kind: str) -> EmailMessage:
    text = _TEXTS[kind].format(place=settings.PUBLIC_URL, link=link_for(person, kind))
    ask = gettext("Questions? Ask {contact}.").format(contact=settings.OPERATOR_CONTACT)
    contact = f"\n{ask}\n" if settings.OPERATOR_CONTACT else ""
    return EmailMessage(
        subject=f"{_SUBJECTS[kind]} (Sluice)",
        body=f"{text}{contact}\n-- \nSluice, {settings.PUBLIC_URL}\n",
        to=[person.email],
        # No out-of-office note comes back (RFC 3834).
        headers={"Auto-Submitted": "auto-generated"},
    )


def send(person: User, kind: str) -> None:
    """Raises NotSent."""
    try:
        letter(person, kind).send()
    except (OSError, smtplib.SMTPException, ValueError) as exc:  # ValueError: an address that no header takes
        counted.mails.labels("failed").inc()
        logger.error("mail_not_sent", extra={"kind": kind, "person": person.uploader_id}, exc_info=True)
        raise NotSent(type(exc).__name__) from exc
    counted.mails.labels("sent").inc()


def later(task: Callable, *arguments, by_operator: bool = False) -> None:
    """Do it behind this request, in its language: how long a mail server takes, or whether there is anybody to write to, is not to be
    told from the answer. Raises WebBusy; never of what an operator asked for, who is told that it is on its way.
    """
    if not by_operator and not _room.acquire(blocking=False):
        raise WebBusy
    try:
        _clerk.submit(_done, None if by_operator else _room, translation.get_language(), task, *arguments)
    except RuntimeError:  # no thread can be begun now: it is done with the next one
        logger.error("task_waits", exc_info=True)


def _done(room: threading.Semaphore | None, language: str | None, task: Callable, *arguments) -> None:
    try:
        with translation.override(language):
            task(*arguments)
    except NotSent:
        pass  # said already
    except Exception:
        logger.error("task_failed", exc_info=True)
    finally:
        connections.close_all()
        if room is not None:
            room.release()
