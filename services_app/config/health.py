"""Alive: this process answers. Ready: an upload would be stored now. Readiness does in small what an upload does."""

import contextlib
import threading
import time

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import JsonResponse

from services_app.config import watched
from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.store.models import HealthCheck

from .faults import in_words

BELIEVED_FOR = 5.0  # seconds that a good answer of the database counts
_PATIENCE = 2.0  # seconds: whoever asks is not kept waiting by a lock

# Of changed files that were refused the old ones serve on: only a person can tell what should be in the new ones.
SERVED_ON = "files"
_FINE = ("ok", "unknown")  # what a file system does not count is unknown; "store" says when nothing is known


def alive(request):
    return JsonResponse({"status": "ok"})


def ready(request):
    """200 when an upload would be taken, else 503; each part by itself, without paths and names of files."""
    found = _parts()
    ok = all(said in _FINE for part, said in found.items() if part != SERVED_ON)
    return JsonResponse({"status": "ok" if ok else "failing", **found}, status=200 if ok else 503)


def failing() -> dict[str, str]:
    """What keeps an upload from being stored now, or will at the next start, by its part."""
    return {part: said for part, said in _parts().items() if said not in _FINE}


def _parts() -> dict[str, str]:
    files = f"refused ({'; '.join(names)})" if (names := watched.refused()) else "ok"
    return {"database": _database(), **_store(), SERVED_ON: files}


class _Believed:
    """Until when a good answer of the database counts, on the monotonic clock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cache_clear()

    def cache_clear(self) -> None:
        self.until = float("-inf")


believed = _Believed()


def _database() -> str:
    if not believed.lock.acquire(timeout=_PATIENCE):
        return "failing"  # somebody else waits for it already
    try:
        if time.monotonic() >= believed.until:
            _write_and_take_back()
            believed.until = time.monotonic() + BELIEVED_FOR
    except Error as exc:
        return f"failing ({words})" if (words := in_words(exc)) else "failing"
    finally:
        believed.lock.release()
    return "ok"


def _write_and_take_back() -> None:
    """A row, committed as an upload's is, and removed again. Raises django.db.Error."""
    with _short_wait_for_a_lock():
        with transaction.atomic():
            row = HealthCheck.objects.create(filling="x" * HealthCheck.SIZE)
        with transaction.atomic():
            HealthCheck.objects.filter(id__lte=row.id).delete()  # and what a kill left between the two


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


def _store() -> dict[str, str]:
    try:
        health = current_store().health()
    except (StoreError, Error) as exc:
        cause = str(exc) if isinstance(exc, StoreError) else ""
        return {
            "store": f"failing ({cause})" if cause else "absent",
            **dict.fromkeys(("space", "inodes", "collections"), "unknown"),
        }
    found_room = health.full is None or not health.has_inodes()  # without inodes it is not the space that is missing
    has_space = found_room and health.free_bytes > settings.UPLOAD_SPACE_RESERVE
    return {
        "store": f"failing ({health.full})" if health.full else "ok",
        "space": "ok" if has_space else "full",
        "inodes": ("ok" if health.has_inodes(settings.UPLOAD_INODE_RESERVE) else "full") if health.free_inodes is not None else "unknown",
        "collections": "; ".join(f"{slug} failing ({cause})" for slug, cause in sorted(health.failing.items())) or "ok",
    }
