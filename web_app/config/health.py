"""Alive, and a row can be written: what signing in does, done in small and taken back."""

import contextlib
import logging
import threading
import time

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse

from web_app.accounts.sessions import SessionStore
from web_app.config import watched

logger = logging.getLogger(__name__)

BELIEVED_FOR = 5.0  # seconds that a good answer counts: anybody may ask this
_PATIENCE = 2.0  # seconds: whoever asks is not kept waiting by a lock
_LIFE = 60  # seconds, after which `clearsessions` takes what a kill left
_FILLING = "x" * 8192  # larger than any row of ours


class _Believed:
    """Until when a good answer counts, on the monotonic clock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cache_clear()

    def cache_clear(self) -> None:
        self.until = float("-inf")


believed = _Believed()


def healthz(request: HttpRequest) -> JsonResponse:
    if _works():
        # Which one it is stands in the log: anybody may ask this.
        refused = {"files": "refused"} if watched.refused() else {}
        return JsonResponse({"status": "ok", **refused}, headers={"Cache-Control": "no-store"})
    return JsonResponse({"status": "database_unavailable"}, status=503)


def failing() -> dict[str, str]:
    """What keeps people from signing in now, by its part."""
    return {} if _works() else {"database": "failing"}


def _works() -> bool:
    if not believed.lock.acquire(timeout=_PATIENCE):
        return False  # somebody else waits for it already
    try:
        if time.monotonic() >= believed.until:
            _write_and_take_back()
            believed.until = time.monotonic() + BELIEVED_FOR
    except Error:
        logger.error("database_unavailable", exc_info=True)
        return False
    finally:
        believed.lock.release()
    return True


def _write_and_take_back() -> None:
    """A session of nobody, committed and removed again. Raises django.db.Error."""
    with _short_wait_for_a_lock():
        session = SessionStore()
        session.set_expiry(_LIFE)
        session["filling"] = _FILLING
        session.create()
        session.delete()


@contextlib.contextmanager
def _short_wait_for_a_lock():
    if connection.vendor != "sqlite":
        yield
        return
    usual = connection.settings_dict["OPTIONS"].get("timeout", 5)
    try:
        _wait_for_locks(_PATIENCE)
        yield
    finally:
        _wait_for_locks(usual)


def _wait_for_locks(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
