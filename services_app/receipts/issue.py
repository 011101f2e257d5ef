"""Signs what was stored. JWS compact, Ed25519, `typ: upload-receipt+jwt`; docs/token-format.md lists the claims.

Pure: no Django. The web tier verifies with its own code; tests/contract binds the two.
"""

import json
import time
from pathlib import Path

from joserfc import jws
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
TYPE = "upload-receipt+jwt"


class ReceiptIssuer:
    """Signs with the newest of its private keys."""

    def __init__(self, keys: list[dict], issuer: str):
        """`keys` are private Ed25519 JWKs with `kid`, oldest to newest. Raises ValueError for any other."""
        if not keys:
            raise ValueError("the key set is empty")
        for jwk in keys:
            if jwk.get("kty") != "OKP" or jwk.get("crv") != ALGORITHM or "d" not in jwk or not jwk.get("kid"):
                raise ValueError("not a private Ed25519 key with a kid")
        self._kid, self._key = keys[-1]["kid"], OKPKey.import_key(keys[-1])
        self._issuer = issuer

    @classmethod
    def from_file(cls, path: str | Path, issuer: str) -> "ReceiptIssuer":
        """Raises OSError or ValueError when the file is no JWK Set of private Ed25519 keys."""
        document = json.loads(Path(path).read_text())
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JWK Set")
        return cls(document["keys"], issuer)

    def issue(self, statement: dict) -> str:
        """A signed receipt that says `statement` (upload_id, grant, sub, collection, size, sha256, …)."""
        payload = {"iss": self._issuer, "iat": int(time.time()), **statement}
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._kid}
        return jws.serialize_compact(
            header, json.dumps(payload, separators=(",", ":")), self._key, algorithms=[ALGORITHM]
        )
