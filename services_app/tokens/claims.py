"""What a token says. The web tier spells the same claims on its side; tests/contract binds the two.

Source: docs/token-format.md.
"""

import re
import uuid
from dataclasses import dataclass

from .errors import TokenClaims

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # of a collection
_SUB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})")
_COOKIE_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}")
_END_OF_CALENDAR = 253_402_300_799  # the last second of the year 9999, the last that datetime knows


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token's claims. Times are seconds since the epoch, sizes are bytes."""

    jti: uuid.UUID
    sub: str
    iat: int
    nbf: int
    exp: int
    start_by: int
    collection: str
    max_size: int
    max_uploads: int
    length: int | None = None
    sha256: str | None = None
    media_types: tuple[str, ...] = ()
    upload_id: uuid.UUID | None = None
    cookie_sha256: str | None = None

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
            cookie_sha256=payload["cnf"]["cookie_sha256"] if "cnf" in payload else None,
            **{name: payload[name] for name in _PLAIN & payload.keys()},
        )


def _is_count(value: object, least: int = 0) -> bool:
    # bool is an int to Python; a token that says "true" for a size is malformed.
    return type(value) is int and least <= value <= 2**63 - 1


def _is_time(value: object) -> bool:
    return _is_count(value) and value <= _END_OF_CALENDAR


def _is_uuid7(value: object) -> bool:
    try:
        return isinstance(value, str) and str(parsed := uuid.UUID(value)) == value and parsed.version == 7
    except ValueError:
        return False


def _matches(pattern: re.Pattern):
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_FORMS = {
    "iat": _is_time,
    "nbf": _is_time,
    "exp": _is_time,
    "start_by": _is_time,
    "jti": _is_uuid7,
    "sub": _matches(_SUB),
    "collection": _matches(SLUG),
    "max_size": lambda v: _is_count(v, 1),
    "max_uploads": lambda v: _is_count(v, 1) and v <= 10_000,
    "length": _is_count,
    "sha256": _matches(_SHA256),
    "media_types": lambda v: isinstance(v, list) and len(v) <= 64 and all(map(_matches(_MEDIA_TYPE), v)),
    "upload_id": _is_uuid7,
    "cnf": lambda v: (
        isinstance(v, dict) and v.keys() == {"cookie_sha256"} and _matches(_COOKIE_SHA256)(v["cookie_sha256"])
    ),
}
_REQUIRED = frozenset(
    ("iss", "aud", "iat", "nbf", "exp", "start_by", "jti", "sub", "collection", "max_size", "max_uploads")
)
_OPTIONAL = frozenset(("length", "sha256", "media_types", "upload_id", "cnf"))
_PLAIN = frozenset(
    ("iat", "nbf", "exp", "start_by", "sub", "collection", "max_size", "max_uploads", "length", "sha256")
)
