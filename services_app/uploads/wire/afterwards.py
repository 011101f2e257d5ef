"""What is done behind the answer: nobody waits for it, and where the process ends before, `recover` does it (ADR 0039)."""

import threading
from collections.abc import Callable

from django.core.signals import request_finished

_mine = threading.local()


def begin() -> None:
    """A request of this thread begins, whose answer will be closed (`request_finished`)."""
    _mine.due = []


def do(step: Callable[[], object]) -> None:
    """Do it when the answer to this thread's request has gone out; at once where there is none, as in commands. It must not raise."""
    due = getattr(_mine, "due", None)
    if due is None:
        step()
    else:
        due.append(step)


def _do_all(**_signal) -> None:
    due, _mine.due = getattr(_mine, "due", None), None
    for step in due or ():
        step()


request_finished.connect(_do_all, dispatch_uid=__name__)
