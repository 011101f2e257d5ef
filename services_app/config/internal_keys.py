"""The keys that open the internal API: from the settings, or the newest in their file."""

from django.conf import settings

from . import env
from .watched import Watched

CURE = "Set one key (two during rotation), the same as on the web tier."


def split(text: str) -> list[str]:
    """One a line, or with commas between."""
    return text.replace(",", "\n").split()


def are_usable(keys: list[str]) -> bool:
    return 1 <= len(keys) <= 2 and all(len(key) >= 32 for key in keys)


def current() -> list[str]:
    return _in_file() if env.file_of("INTERNAL_API_KEY") else settings.INTERNAL_API_KEYS


def _read() -> list[str]:
    keys = split(env.secret("INTERNAL_API_KEY", CURE))
    if not are_usable(keys):
        raise ValueError("not one or two long keys")
    return keys


_in_file = Watched("INTERNAL_API_KEY_FILE", lambda: env.file_of("INTERNAL_API_KEY"), _read)
