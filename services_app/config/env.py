"""The one place that reads environment variables.

Every variable stands in `.env.example`. A secret NAME may also be given as NAME_FILE, the path of a file that holds it.
"""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from .database import POSTGRESQL, SQLITE

_env = environ.Env()


def required(name: str, cure: str) -> str:
    """The value of `name`. Raises ImproperlyConfigured, which says the cure, when it is unset or empty."""
    value = _given(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {cure}")
    return value


def text(name: str, default: str) -> str:
    return _given(name) or default


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`, however it is capitalised. Raises ImproperlyConfigured otherwise."""
    for value in allowed:
        if value.lower() == text(name, default).lower():
            return value
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}.")


def integer(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`. Raises ImproperlyConfigured otherwise."""
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}.")
    return int(value)


def words(name: str, default: list[str]) -> list[str]:
    return _env.list(name, default=default)


def secret(name: str, cure: str) -> str:
    """The secret `name`, from NAME or from the file that NAME_FILE names.

    Raises ImproperlyConfigured when both or neither are given, or when the file cannot be read.
    """
    value = _given_or_in_file(name, cure)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {cure}")
    return value


def file_of(name: str) -> list[str]:
    """The path of the file that the secret `name` stands in; none where it stands in the variable itself."""
    path = _given(f"{name}_FILE")
    return [path] if path else []


def database(name: str, default: str) -> dict:
    """The database that the URL in NAME, or in the file NAME_FILE (it may hold a password), names.

    Raises ImproperlyConfigured for what is neither SQLite nor PostgreSQL.
    """
    cure = "Write it like sqlite:////var/lib/sluice/db.sqlite3 or postgres://user:password@host/name"
    url = _given_or_in_file(name, cure) or default
    if "://" not in url:  # django-environ would print it
        raise ImproperlyConfigured(f"{name} is no database URL. {cure}")
    try:
        parsed = dict(_env.db_url_config(url))
    except (ValueError, TypeError) as exc:
        raise ImproperlyConfigured(f"{name} is no database URL. {cure}") from exc
    if parsed.get("ENGINE") not in (SQLITE, POSTGRESQL):
        raise ImproperlyConfigured(f"{name} names neither SQLite nor PostgreSQL. {cure}")
    return parsed


def _given_or_in_file(name: str, cure: str) -> str:
    value, path = _given(name), _given(f"{name}_FILE")
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read ({type(exc).__name__}). {cure}") from exc
        if not value:
            raise ImproperlyConfigured(f"{name}_FILE is empty. {cure}")
    return value


def _given(name: str) -> str:
    # Not by django-environ, which takes a value that begins with $ for the name of another variable.
    return os.environ.get(name, "")
