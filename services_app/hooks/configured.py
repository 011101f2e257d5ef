"""The hooks that HOOKS_FILE names now; none where it is unset."""

import os
import stat
import tomllib
from pathlib import Path

from django.conf import settings

from services_app.config.watched import Watched

from .hook import Hook, Unusable, parse

_LONGEST = 1 << 20  # bytes


def load() -> tuple[Hook, ...]:
    """Raises OSError or Unusable, whose text holds nothing of the file but names of hooks and keys."""
    if not settings.HOOKS_FILE:
        return ()
    path = Path(settings.HOOKS_FILE)
    _check_who_may_write(path)
    try:
        with path.open("rb") as file:
            return parse(tomllib.loads(file.read(_LONGEST).decode()))
    except tomllib.TOMLDecodeError as exc:
        raise Unusable(f"it is no TOML ({_place(exc)}).") from exc
    except UnicodeDecodeError as exc:
        raise Unusable("it is no UTF-8.") from exc


def _check_who_may_write(path: Path) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise Unusable("it is no file.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.geteuid()):
        raise Unusable("others can write it, and it says what is run here. Give it to root, mode 0640.")


def _place(exc: tomllib.TOMLDecodeError) -> str:
    """`at line 3, column 7`, without what stands there."""
    return str(exc).rpartition("(")[2].rstrip(")")


hooks: Watched[tuple[Hook, ...]] = Watched("HOOKS_FILE", lambda: [settings.HOOKS_FILE] if settings.HOOKS_FILE else [], load)
