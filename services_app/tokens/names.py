"""What a names token says: whose names are asked for, and of which uploads. The web tier spells the same claims on its side.

Source: docs/token-format.md. It opens no upload, and an upload token tells no names: the two differ in type and in audience.
"""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from .claims import COOKIE_SHA256, SLUG, SUB, is_time, is_uuid7, matches
from .errors import TokenClaims

MAX_IDS = 50
MAX_LIFE = 600  # seconds


@dataclass(frozen=True, slots=True)
class NamesClaims:
    """A verified token's claims. Times are seconds since the epoch."""

    TYPE: ClassVar[str] = "upload-names+jwt"

    sub: str
    iat: int
    nbf: int
    exp: int
    grants: tuple[uuid.UUID, ...]
    uploads: tuple[uuid.UUID, ...]
    cookie_sha256: str
    collection: str | None = None  # its coordinator asks, and not who sent them

    @staticmethod
    def audience(uploads: str) -> str:
        """Another than that of upload tokens, which is given."""
        return f"{uploads}/names"

    @classmethod
    def parse(cls, payload: dict) -> "NamesClaims":
        """Check presence, type and form of every claim; iss and aud are the verifier's. Raises TokenClaims."""
        if not _CLAIMS <= payload.keys() <= _CLAIMS | {"collection"}:
            raise TokenClaims
        if not all(form(payload[name]) for name, form in _FORMS.items() if name in payload):
            raise TokenClaims
        grants, uploads = (tuple(map(uuid.UUID, payload[name])) for name in ("grants", "uploads"))
        if not 1 <= len(grants) + len(uploads) <= MAX_IDS:
            raise TokenClaims
        plain = {name: payload[name] for name in ("sub", "iat", "nbf", "exp", "collection") if name in payload}
        return cls(grants=grants, uploads=uploads, cookie_sha256=payload["cnf"]["cookie_sha256"], **plain)


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(map(is_uuid7, value)) and len(set(value)) == len(value)


_FORMS = {
    "iat": is_time,
    "nbf": is_time,
    "exp": is_time,
    "sub": matches(SUB),
    "collection": matches(SLUG),
    "grants": _are_ids,
    "uploads": _are_ids,
    "cnf": lambda v: (
        isinstance(v, dict) and v.keys() == {"cookie_sha256"} and matches(COOKIE_SHA256)(v["cookie_sha256"])
    ),
}
_CLAIMS = frozenset(("iss", "aud", *_FORMS)) - {"collection"}
