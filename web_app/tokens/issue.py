"""Signs tokens for the services tier. No Django here."""

import json
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from web_app.tokens.claims import UploadClaims
from web_app.tokens.names import NamesClaims

ALGORITHM = "Ed25519"


class KeyFileUnusable(Exception):
    """The file of signing keys cannot be used. The text says what to put there, and nothing of what is in it."""


class TokenSigner:
    """Signs with the newest, that is the last, of the private keys in a JWK Set."""

    def __init__(self, key: OKPKey):
        self._key = key
        # RFC 7638: the same for the private and the public key.
        self.kid = key.thumbprint()

    @classmethod
    def from_file(cls, path: Path) -> "TokenSigner":
        """Raises KeyFileUnusable. Every key is looked at: a bad one would fail at the next rotation."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["keys"]
        except OSError as exc:
            raise KeyFileUnusable(f"it cannot be read ({type(exc).__name__})") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise KeyFileUnusable("it is no JWK Set") from exc
        if not isinstance(entries, list) or not entries:
            raise KeyFileUnusable("it holds no key")
        return cls([_private_key(entry) for entry in entries][-1])

    def sign(self, claims: UploadClaims | NamesClaims) -> str:
        """The token, a JWS in compact form."""
        header = {"alg": ALGORITHM, "typ": claims.TYPE, "kid": self.kid}
        payload = json.dumps(claims.payload(), separators=(",", ":"))
        return jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])


def _private_key(entry: object) -> OKPKey:
    if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
        raise KeyFileUnusable("a key in it is no Ed25519 key")
    try:
        key = OKPKey.import_key(entry)
    except (JoseError, ValueError, TypeError) as exc:
        raise KeyFileUnusable("a key in it is damaged") from exc
    if not key.is_private:
        raise KeyFileUnusable("a key in it is public only, and cannot sign")
    if entry.get("alg", ALGORITHM) != ALGORITHM or entry.get("use", "sig") != "sig":
        raise KeyFileUnusable("a key in it is for another purpose (alg or use)")
    if entry.get("kid", key.thumbprint()) != key.thumbprint():
        raise KeyFileUnusable("a kid in it is not its key's RFC 7638 thumbprint")
    return key
