"""Signs what was stored, and where the ledger stands. JWS compact, Ed25519; docs/token-format.md lists types and claims.

Pure: no Django. The web tier verifies with its own code; tests/contract binds the two.
"""

import json
import time
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
TYPE = "upload-receipt+jwt"
CHECKPOINT = "ledger-checkpoint+jwt"
CONTINUATION = "ledger-continuation+jwt"
REMOVAL = "ledger-removal+jwt"
VERDICT = "upload-verdict+jwt"


class ReceiptIssuer:
    """Signs with the newest of its private keys."""

    def __init__(self, keys: list[dict], issuer: str):
        """`keys` are private Ed25519 JWKs, oldest to newest, each with its thumbprint as `kid`. Raises ValueError for
        any other.
        """
        if not keys:
            raise ValueError("the key set is empty")
        self._key = [_private_key(jwk) for jwk in keys][-1]
        self.kid = self._key.thumbprint()
        self._issuer = issuer

    @classmethod
    def from_file(cls, path: str | Path, issuer: str) -> "ReceiptIssuer":
        """Raises OSError or ValueError when the file is no JWK Set of private Ed25519 keys."""
        document = json.loads(Path(path).read_text())
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JWK Set")
        return cls(document["keys"], issuer)

    def issue(self, statement: dict, as_type: str = TYPE) -> str:
        """`statement` signed: a receipt (upload_id, grant, sub, collection, size, sha256, …), or what its type says it is."""
        payload = {"iss": self._issuer, "iat": int(time.time()), **statement}
        header = {"alg": ALGORITHM, "typ": as_type, "kid": self.kid}
        return jws.serialize_compact(
            header, json.dumps(payload, separators=(",", ":")), self._key, algorithms=[ALGORITHM]
        )


def _private_key(jwk: object) -> OKPKey:
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != ALGORITHM or "d" not in jwk:
        raise ValueError("not a private Ed25519 key")
    try:
        key = OKPKey.import_key(jwk)
        published = OKPKey.import_key({name: value for name, value in jwk.items() if name != "d"})
    except JoseError as exc:
        raise ValueError("a damaged key") from exc
    # Else every receipt would be signed well and verified nowhere.
    if jwk.get("kid") != key.thumbprint() or key.private_key.public_key() != published.public_key:
        raise ValueError("a kid that is not its key's RFC 7638 thumbprint, or halves of two keys")
    return key
