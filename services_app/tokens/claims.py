"""What a token says. The web tier spells the same claims on its side; tests/contract binds the two.

Source: docs/token-format.md.
"""

import re
import uuid
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from .errors import TokenClaims

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # of a collection
SUB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})")
COOKIE_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}")
_END_OF_CALENDAR = 253_402_300_799  # the last second of the year 9999, the last that datetime knows


class Quota(NamedTuple):
    """The most `bytes` or `objects` (`unit`) that may be stored and under way, `of` a collection, a person, or a person in it."""

    of: str
    unit: str
    limit: int


QUOTAS_OF, UNITS = ("collection", "person", "person_here"), ("bytes", "objects")


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token's claims. Times are seconds since the epoch, sizes are bytes."""

    TYPE: ClassVar[str] = "upload+jwt"

    jti: uuid.UUID
    sub: str
    iat: int
    nbf: int
    exp: int
    start_by: int
    collection: str
    max_size: int
    max_uploads: int
    max_unfinished: int | None = None
    max_staged: int | None = None
    quotas: tuple[Quota, ...] = ()
    length: int | None = None
    sha256: str | None = None
    media_types: tuple[str, ...] = ()
    unpack_folders: bool = False
    upload_id: uuid.UUID | None = None
    cookie_sha256: str | None = None

    @staticmethod
    def audience(uploads: str) -> str:
        """The one that TOKEN_AUDIENCE names, which is given."""
        return uploads

    @classmethod
    def parse(cls, payload: dict) -> "Claims":
        """Check presence, type and form of every claim; iss and aud are the verifier's.

        Raises TokenClaims for a claim that is missing, ill-formed or unknown.
        """
        known = _REQUIRED | _OPTIONAL
        if not _REQUIRED <= payload.keys() or not payload.keys() <= known:
            raise TokenClaims
        for name in payload.keys() & _FORMS.keys():
            if not _FORMS[name](payload[name]):
                raise TokenClaims
        return cls(
            jti=uuid.UUID(payload["jti"]),
            upload_id=uuid.UUID(payload["upload_id"]) if "upload_id" in payload else None,
            media_types=tuple(payload.get("media_types", ())),
            quotas=tuple(Quota(of, unit, limit) for of, units in payload.get("quotas", {}).items() for unit, limit in units.items()),
            cookie_sha256=payload["cnf"]["cookie_sha256"] if "cnf" in payload else None,
            **{name: payload[name] for name in _PLAIN & payload.keys()},
        )


def _is_count(value: object, least: int = 0) -> bool:
    # bool is an int to Python; a token that says "true" for a size is malformed.
    return type(value) is int and least <= value <= 2**63 - 1


def is_time(value: object) -> bool:
    return _is_count(value) and value <= _END_OF_CALENDAR


def is_uuid7(value: object) -> bool:
    try:
        return isinstance(value, str) and str(parsed := uuid.UUID(value)) == value and parsed.version == 7
    except ValueError:
        return False


def matches(pattern: re.Pattern):
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _are_quotas(value: object) -> bool:
    return _is_table(value, QUOTAS_OF) and all(
        _is_table(units, UNITS) and all(_is_count(limit, 1) for limit in units.values()) for units in value.values()
    )


def _is_table(value: object, names: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and bool(value) and value.keys() <= set(names)


_FORMS = {
    "iat": is_time,
    "nbf": is_time,
    "exp": is_time,
    "start_by": is_time,
    "jti": is_uuid7,
    "sub": matches(SUB),
    "collection": matches(SLUG),
    "max_size": lambda v: _is_count(v, 1),
    "max_uploads": lambda v: _is_count(v, 1) and v <= 10_000,
    "max_unfinished": lambda v: _is_count(v, 1),
    "max_staged": lambda v: _is_count(v, 1),
    "quotas": _are_quotas,
    "length": _is_count,
    "sha256": matches(_SHA256),
    "media_types": lambda v: isinstance(v, list) and len(v) <= 64 and all(map(matches(_MEDIA_TYPE), v)),
    "unpack_folders": lambda v: v is True,
    "upload_id": is_uuid7,
    "cnf": lambda v: (
        isinstance(v, dict) and v.keys() == {"cookie_sha256"} and matches(COOKIE_SHA256)(v["cookie_sha256"])
    ),
}
_REQUIRED = frozenset(
    ("iss", "aud", "iat", "nbf", "exp", "start_by", "jti", "sub", "collection", "max_size", "max_uploads")
)
_OPTIONAL = frozenset(("max_unfinished", "max_staged", "quotas", "length", "sha256", "media_types", "unpack_folders", "upload_id", "cnf"))
_PLAIN = (_REQUIRED | _OPTIONAL) - {"iss", "aud", "jti", "quotas", "media_types", "upload_id", "cnf"}
