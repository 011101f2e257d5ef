"""The password of the database, newest first: a changed DATABASE_URL_FILE is taken up by the next connection (ADR 0021)."""

from django.conf import settings

from . import env
from .watched import Watched

_SAME = ("ENGINE", "HOST", "PORT", "USER")


def current() -> str | None:
    """None where DATABASE_URL does not stand in a file."""
    return _in_file() if env.file_of("DATABASE_URL") else None


def _read() -> str | None:
    newest, ours = env.database("DATABASE_URL", ""), settings.DATABASE_GIVEN
    if any(str(newest.get(name) or "") != str(ours.get(name) or "") for name in _SAME):
        raise ValueError("another database: that takes a restart")
    return newest.get("PASSWORD")


_in_file = Watched("DATABASE_URL_FILE", lambda: env.file_of("DATABASE_URL"), _read)
