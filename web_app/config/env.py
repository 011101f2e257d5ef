"""The one place that reads environment variables.

A secret may stand in the variable itself or in the file that the variable's `_FILE` twin names. Whoever asks for a
variable that is missing or makes no sense gets `SettingError`, whose text names the variable and the cure, never its
value.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from web_app.config.database import POSTGRESQL, SQLITE

SHORTEST_SECRET = 43  # 256 bits in base64url

_env = environ.Env()


class SettingError(ImproperlyConfigured):
    """A variable is missing or unusable."""


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise SettingError(f"{name} is not set. Set it; .env.example says what it means.")
    return default


def secret(name: str) -> str:
    """`NAME` or the content of the file `NAME_FILE`; both at once are refused, since one of them would be stale."""
    value = _given_or_in_file(name)
    if not value:
        raise SettingError(f"{name} is not set. Set {name}_FILE to a file that holds it, or {name} itself.")
    return value


def _given_or_in_file(name: str) -> str:
    direct, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if direct and file:
        raise SettingError(f"{name} and {name}_FILE are both set. Remove one of them.")
    if file:
        try:
            direct = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingError(
                f"{name}_FILE cannot be read ({type(exc).__name__}). Check the file and its mode."
            ) from exc
        if not direct:
            raise SettingError(f"{name}_FILE is empty. Put the secret into it.")
    return direct


def secrets_listed(name: str) -> list[str]:
    """Several secrets, comma or newline separated, oldest first."""
    return [part for part in secret(name).replace(",", "\n").split() if part]


def secret_lines(name: str) -> list[str]:
    """Several secrets, one a line, oldest first; a secret may hold commas."""
    return [line.strip() for line in secret(name).splitlines() if line.strip()]


def newest_secret(name: str) -> str:
    """The last of several. Raises SettingError for a short one as well."""
    newest = secrets_listed(name)[-1]
    if len(newest) < SHORTEST_SECRET:
        raise SettingError(f"{name} is shorter than {SHORTEST_SECRET} characters.")
    return newest


def file_of(name: str) -> list[str]:
    """The path of the file that the secret `name` stands in; none where it stands in the variable itself."""
    path = os.environ.get(f"{name}_FILE", "").strip()
    return [path] if path else []


def listed(name: str, default: list[str]) -> list[str]:
    return [part.strip() for part in _env.list(name, default=default) if part.strip()]


def integer(name: str, default: int) -> int:
    if not os.environ.get(name, "").strip():
        return default
    try:
        return _env.int(name)
    except ValueError as exc:
        raise SettingError(f"{name} is not a whole number. Correct it.") from exc


def path(name: str, default: str | None = None) -> Path:
    return Path(text(name, default))


def database(name: str, default: str) -> dict:
    """The database that the URL in NAME, or in the file NAME_FILE (it may hold a password), names: SQLite or PostgreSQL."""
    cure = "Write it like sqlite:////var/lib/sluice/db.sqlite3 or postgres://user:password@host/name"
    url = _given_or_in_file(name) or default
    if "://" not in url:  # django-environ would print it
        raise SettingError(f"{name} is no database URL. {cure}")
    try:
        parsed = dict(_env.db_url_config(url))
    except (ValueError, TypeError) as exc:
        raise SettingError(f"{name} is no database URL. {cure}") from exc
    if parsed.get("ENGINE") not in (SQLITE, POSTGRESQL):
        raise SettingError(f"{name} names neither SQLite nor PostgreSQL. {cure}")
    return parsed


def mail(name: str) -> dict:
    """What Django calls EMAIL_HOST and so on, of the SMTP server that the URL in NAME, or in the file NAME_FILE, names; empty where
    none is set.
    """
    cure = "Write it like smtp+tls://user:password@mail.example.org:587, or smtp+ssl://…:465"
    url = _given_or_in_file(name)
    if not url:
        return {}
    if not url.startswith(("smtp://", "smtp+tls://", "smtp+ssl://")):  # others write to a file, or drop it
        raise SettingError(f"{name} names no SMTP server. {cure}")
    try:
        parsed = dict(_env.email_url_config(url))
    except (ValueError, TypeError) as exc:
        raise SettingError(f"{name} is no URL. {cure}") from exc
    if not parsed.get("EMAIL_HOST"):
        raise SettingError(f"{name} names no host. {cure}")
    return parsed


def https_origin(name: str, default: str | None = None) -> str:
    """`https://host[:port]`, without path and without a trailing slash."""
    value = text(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme == "https" and parts.hostname and f"https://{parts.netloc}" == value and "@" not in value
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise SettingError(f"{name} is not of the form https://host or https://host:port. Correct it.")
    return value
