"""What an upload token says: docs/token-format.md, spelled for the side that makes tokens.

services_app spells the same claims for the side that checks them; tests/contract holds the two together. No Django
here.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
COLLECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})")
BINDING = re.compile(r"[A-Za-z0-9_-]{43}")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MAX_UPLOADS = 10_000
LONGEST_LIFE = 7 * 86400  # seconds from `iat` to `exp`; the services tier grants no more (TOKEN_MAX_LIFE)
MAX_MEDIA_TYPES = 64
# Characters of all of them together: they travel in every token, and one of over 4096 characters is refused.
MAX_MEDIA_TYPES_LENGTH = 1500


class Quota(NamedTuple):
    """The most `bytes` or `objects` (`unit`) that may be stored and under way, `of` a collection, a person, or a person in it."""

    of: str
    unit: str
    limit: int


class ClaimError(ValueError):
    """A token was about to be made that the services tier would refuse. Names the claim, not its value."""

    def __init__(self, claim: str):
        super().__init__(f"the claim {claim} is not what docs/token-format.md allows")
        self.claim = claim


def cookie_digest(binding: str) -> str:
    """base64url, without padding, of the SHA-256 of the binding cookie's value."""
    return urlsafe_b64encode(hashlib.sha256(binding.encode("ascii")).digest()).decode("ascii").rstrip("=")


def need(claim: str, holds: object) -> None:
    if not holds:
        raise ClaimError(claim)


@dataclass(frozen=True, kw_only=True)
class UploadClaims:
    """One permission to upload. Times are whole seconds since the epoch, sizes are bytes. Raises ClaimError."""

    TYPE: ClassVar[str] = "upload+jwt"

    issuer: str
    audience: str
    issued_at: int
    grant: str
    subject: str
    start_by: int
    expires: int
    collection: str
    max_size: int
    max_uploads: int = 1
    max_unfinished: int | None = None
    max_staged: int | None = None
    quotas: tuple[Quota, ...] = ()
    length: int | None = None
    sha256: str | None = None
    media_types: tuple[str, ...] = field(default=())
    unpack_folders: bool = False
    upload_id: str | None = None
    cookie_sha256: str | None = None

    def __post_init__(self) -> None:
        need("iss", self.issuer)
        need("aud", self.audience)
        need("jti", UUID7.fullmatch(self.grant))
        need("sub", SUBJECT.fullmatch(self.subject))
        need("start_by", self.issued_at < self.start_by <= self.expires)
        need("exp", self.expires - self.issued_at <= LONGEST_LIFE)
        need("collection", COLLECTION.fullmatch(self.collection))
        need("max_size", self.max_size > 0)
        need("max_uploads", 1 <= self.max_uploads <= MAX_UPLOADS)
        need("max_unfinished", self.max_unfinished is None or self.max_unfinished > 0)
        need("max_staged", self.max_staged is None or self.max_staged > 0)
        need("quotas", all(quota.limit > 0 for quota in self.quotas))
        need("length", self.length is None or 0 <= self.length <= self.max_size)
        need("sha256", self.sha256 is None or SHA256.fullmatch(self.sha256))
        need(
            "media_types",
            len(self.media_types) <= MAX_MEDIA_TYPES
            and sum(map(len, self.media_types)) <= MAX_MEDIA_TYPES_LENGTH
            and all(MEDIA_TYPE.fullmatch(one) for one in self.media_types),
        )
        need("upload_id", self.upload_id is None or UUID7.fullmatch(self.upload_id))
        need("cnf", self.cookie_sha256 is None or BINDING.fullmatch(self.cookie_sha256))

    def payload(self) -> dict:
        """The JSON object that is signed; an optional claim that says nothing is left out."""
        claims: dict = {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": self.issued_at,
            "nbf": self.issued_at,
            "jti": self.grant,
            "sub": self.subject,
            "start_by": self.start_by,
            "exp": self.expires,
            "collection": self.collection,
            "max_size": self.max_size,
            "max_uploads": self.max_uploads,
        }
        for name in ("max_unfinished", "max_staged", "length"):
            if (value := getattr(self, name)) is not None:
                claims[name] = value
        for quota in self.quotas:
            claims.setdefault("quotas", {}).setdefault(quota.of, {})[quota.unit] = quota.limit
        if self.sha256 is not None:
            claims["sha256"] = self.sha256
        if self.media_types:
            claims["media_types"] = list(self.media_types)
        if self.unpack_folders:
            claims["unpack_folders"] = True
        if self.upload_id is not None:
            claims["upload_id"] = self.upload_id
        if self.cookie_sha256 is not None:
            claims["cnf"] = {"cookie_sha256": self.cookie_sha256}
        return claims
