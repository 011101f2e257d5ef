"""What a names token says (docs/token-format.md): the names of which uploads one browser may ask the services tier for. No Django here."""

from dataclasses import dataclass
from typing import ClassVar

from web_app.tokens.claims import BINDING, COLLECTION, SUBJECT, UUID7, need

MAX_IDS = 50
LIFE = 300  # seconds; the services tier takes none that lives for more than twice as long


@dataclass(frozen=True, kw_only=True)
class NamesClaims:
    """Times are whole seconds since the epoch. `audience` is that of upload tokens. With `collection` its coordinator asks, and `subject`
    sent none of them. Raises ClaimError.
    """

    TYPE: ClassVar[str] = "upload-names+jwt"

    issuer: str
    audience: str
    issued_at: int
    subject: str
    grants: tuple[str, ...]
    uploads: tuple[str, ...]
    cookie_sha256: str
    collection: str | None = None

    def __post_init__(self) -> None:
        need("iss", self.issuer)
        need("aud", self.audience)
        need("sub", SUBJECT.fullmatch(self.subject))
        for claim, ids in (("grants", self.grants), ("uploads", self.uploads)):
            need(claim, all(map(UUID7.fullmatch, ids)) and len(set(ids)) == len(ids))
        need("uploads", 1 <= len(self.grants) + len(self.uploads) <= MAX_IDS)
        need("collection", self.collection is None or COLLECTION.fullmatch(self.collection))
        need("cnf", BINDING.fullmatch(self.cookie_sha256))

    @property
    def expires(self) -> int:
        return self.issued_at + LIFE

    def payload(self) -> dict:
        """The JSON object that is signed."""
        return {
            "iss": self.issuer,
            "aud": f"{self.audience}/names",
            "iat": self.issued_at,
            "nbf": self.issued_at,
            "exp": self.expires,
            "sub": self.subject,
            "grants": list(self.grants),
            "uploads": list(self.uploads),
            "cnf": {"cookie_sha256": self.cookie_sha256},
            **({} if self.collection is None else {"collection": self.collection}),
        }
