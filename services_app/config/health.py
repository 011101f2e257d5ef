"""Alive: this process answers. Ready: store mounted by its sentinel, space left, database writable."""

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import JsonResponse

from services_app.store.current import current_store
from services_app.store.errors import StoreError


def alive(request):
    return JsonResponse({"status": "ok"})


def ready(request):
    """200 when an upload would be taken, else 503; each part by itself, without paths."""
    parts = {"database": _database(), **_store()}
    ok = all(value == "ok" for value in parts.values())
    return JsonResponse({"status": "ok" if ok else "failing", **parts}, status=200 if ok else 503)


def _database() -> str:
    try:
        # A transaction takes SQLite's write lock, so a read-only or full database shows here.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "failing"
    return "ok"


def _store() -> dict:
    try:
        free = current_store().free_bytes()
    except (StoreError, DatabaseError):
        return {"store": "absent", "space": "unknown"}
    return {"store": "ok", "space": "ok" if free > settings.UPLOAD_SPACE_RESERVE else "full"}
