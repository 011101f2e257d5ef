"""Whose contents are looked at now? (ADR 0026)

A look at 64 KiB costs some 40 ms of the interpreter, which all uploads share, and one at a folder seconds. So one of each person is
judged at a time, and a few in all. Who waits holds up its own upload alone.
"""

import contextlib
import threading
from collections.abc import Iterator

from services_app.config import connections

AT_ONCE = 2  # persons; more only take the interpreter from each other, and from those who bring bytes

_lock = threading.Lock()
_persons: dict[str, tuple[threading.RLock, list[None]]] = {}  # with one entry for each who waits or is looked at
_all = threading.BoundedSemaphore(AT_ONCE)


@contextlib.contextmanager
def turn_of(sub: str) -> Iterator[None]:
    """A look at one upload of this person, for the length of a `with` block."""
    connections.give_back()
    with _lock:
        own, waiting = _persons.setdefault(sub, (threading.RLock(), []))
        waiting.append(None)
    try:
        with own, _all:
            yield
    finally:
        with _lock:
            waiting.pop()
            if not waiting:
                del _persons[sub]
