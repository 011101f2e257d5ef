"""A hook: to whom stored files are handed on, and which of them (ADR 0045). Pure: no Django.

One table `[[hook]]` of HOOKS_FILE each; docs/operations.md shows one of each kind.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

COMMAND, WEBHOOK, CLAMD = "command", "webhook", "clamd"
KINDS = (COMMAND, WEBHOOK, CLAMD)
_JUDGE = (COMMAND, CLAMD)
STORED, RELEASED, QUARANTINED = "stored", "released", "quarantined"

_NAME = re.compile(r"(?!operator$)[a-z][a-z0-9-]{0,30}")
_ADDRESS = re.compile(r"unix:/[^\0]+|tcp:(?:[A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TIMEOUT = {COMMAND: 600, WEBHOOK: 30, CLAMD: 3600}  # seconds
LONGEST_TIMEOUT = 86400
_LONGEST_COMMAND = 64  # words


class Unusable(ValueError):
    """The file cannot be used. Its text says which hook and which key of it, and how it is meant."""


@dataclass(frozen=True, slots=True)
class Hook:
    """`required`: nothing is released before it has found nothing. `timeout` in seconds; `at_once` collections at the same
    time; given up `give_up` hours after its first try.
    """

    name: str
    kind: str
    collections: frozenset[str] | None  # None: all
    since: datetime
    on: str  # what must have happened to a file
    required: bool
    timeout: int
    at_once: int
    give_up: int
    command: tuple[str, ...] = ()
    url: str = ""
    secret_file: str = ""
    ca_file: str = ""  # empty: the host's own authorities
    address: str = ""  # unix:/path or tcp:host:port
    max_size: int = 0  # bytes

    def is_for(self, collection: str, stored_at: datetime) -> bool:
        """Whether a file that was stored at that time in that collection is handed to it."""
        return stored_at >= self.since and (self.collections is None or collection in self.collections)

    @property
    def selects(self) -> str:
        """Differs once it is for other files than before."""
        which = "all" if self.collections is None else " ".join(sorted(self.collections))
        return f"{self.since.isoformat()} {self.on} {which}"


def parse(document: Mapping) -> tuple[Hook, ...]:
    """The hooks of a TOML document. Raises Unusable."""
    tables = document.get("hook", [])
    if document.keys() - {"hook"} or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise Unusable("it holds tables [[hook]], and nothing else.")
    hooks = tuple(_Table(table, number).hook() for number, table in enumerate(tables, start=1))
    if len({hook.name for hook in hooks}) < len(hooks):
        raise Unusable("two hooks have one name.")
    return hooks


_ON = f"one of {STORED}, {RELEASED}, {QUARANTINED}"
_REQUIRED = "true or false; a webhook gives no verdict"


class _Table:
    """One table; each key is taken out once, so that what is left is unknown."""

    def __init__(self, table: Mapping, number: int):
        self._left, self._where = dict(table), f"hook {number}"

    def hook(self) -> Hook:
        name = self._take("name", str, "a word of a-z, 0-9 and -, of at most 31", _NAME.fullmatch)
        self._where = f"hook {name}"
        kind = self._take("kind", str, f"one of {', '.join(KINDS)}", KINDS.__contains__)
        hook = Hook(
            name=name,
            kind=kind,
            collections=self._collections(),
            since=self._since(),
            on=self._take("on", str, _ON, lambda value: value in (STORED, RELEASED, QUARANTINED), default=STORED),
            required=self._take("required", bool, _REQUIRED, lambda value: not value or kind in _JUDGE, default=False),
            timeout=self._number("timeout", _TIMEOUT[kind], LONGEST_TIMEOUT, "seconds"),
            at_once=self._number("at_once", 4, 16, "collections"),
            give_up=self._number("give_up", 72, 8760, "hours"),
            **getattr(self, f"_{kind}")(),
        )
        if hook.on != STORED and (hook.required or kind == CLAMD):
            raise Unusable(f"{self._where}: `on` must be {STORED} for who gives a verdict.")
        if self._left:
            raise Unusable(f"{self._where} has a key that a {kind} does not know: {min(self._left)[:40]}.")
        return hook

    def _command(self) -> dict:
        meant = 'a list of words, the first an absolute path: ["/usr/local/bin/index-upload"]. No shell reads it'
        return {"command": tuple(self._take("command", list, meant, _is_command))}

    def _webhook(self) -> dict:
        return {
            "url": self._take("url", str, "https:// with a host, and no user, password or fragment", _is_url),
            "secret_file": self._take("secret_file", str, "an absolute path", _is_absolute),
            "ca_file": self._take("ca_file", str, "an absolute path", lambda value: not value or _is_absolute(value), default=""),
        }

    def _clamd(self) -> dict:
        def fits(value):
            return not isinstance(value, bool) and 0 < value < 1 << 32

        meant = "bytes, as many as the least of StreamMaxLength, MaxScanSize and MaxFileSize in clamd.conf, below 4294967296"
        return {
            "address": self._take("address", str, "unix: and an absolute path, or tcp: and host:port", _ADDRESS.fullmatch),
            "max_size": self._take("max_size", int, meant, fits),
        }

    def _collections(self) -> frozenset[str] | None:
        meant = 'a list of collections, or "all"'
        found = self._take("collections", object, meant, lambda value: value == "all" or _is_list_of_slugs(value))
        return None if found == "all" else frozenset(found)

    def _since(self) -> datetime:
        meant = "a time with an offset, such as 2027-01-01T00:00:00Z: what was stored from then on is handed on"
        return self._take("since", datetime, meant, lambda value: value.tzinfo is not None)

    def _number(self, key: str, default: int, most: int, unit: str) -> int:
        def fits(value):
            return not isinstance(value, bool) and 1 <= value <= most

        return self._take(key, int, f"a number of {unit}, from 1 to {most}", fits, default=default)

    def _take(self, key: str, kind: type, meant: str, is_good: Callable = lambda value: True, **default):
        value = self._left.pop(key, default.get("default"))
        if not isinstance(value, kind) or not is_good(value):
            raise Unusable(f"{self._where}: `{key}` must be {meant}.")
        return value


def _is_list_of_slugs(value) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and _SLUG.fullmatch(one) for one in value)


def _is_absolute(value: str) -> bool:
    return value.startswith("/") and "\0" not in value


def _is_url(value: str) -> bool:
    if not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        found = urlsplit(value)
        return (
            found.scheme == "https"
            and bool(found.hostname)
            and "@" not in found.netloc
            and not found.fragment
            and found.port != 0
        )
    except ValueError:
        return False


def _is_command(value: list) -> bool:
    words = 0 < len(value) <= _LONGEST_COMMAND and all(isinstance(one, str) and one and "\0" not in one for one in value)
    return words and value[0].startswith("/")
