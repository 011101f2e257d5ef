"""Is this token ours, whole and in time? JWS compact (RFC 7515), Ed25519 only (RFC 9864), checked after RFC 8725.

Pure: no Django, no clock of its own, no network. Keys are a static JWK Set, oldest to newest.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from . import errors
from .claims import Claims
from .names import NamesClaims

ALGORITHM = "Ed25519"
LEEWAY = 30  # seconds
MAX_LENGTH = 4096  # characters
MAX_LIFE = 7 * 86400  # seconds
_REMEMBERED = 256  # tokens that were found genuine; at most a megabyte

Kind = TypeVar("Kind", Claims, NamesClaims)

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class TokenVerifier(Generic[Kind]):
    """Verifies tokens of one kind and issuer for one audience."""

    def __init__(
        self, keys: list[dict], issuer: str, audience: str, max_life: int = MAX_LIFE, kind: type[Kind] = Claims
    ):
        """`keys` are public Ed25519 JWKs, each with its thumbprint as `kid`. Raises ValueError for any other, above all
        for a private one. `audience`: that of upload tokens, from which that of another kind follows. `max_life`: seconds from `iat`
        after which a token has expired, whatever its `exp` says.
        """
        self._issuer, self._audience, self._max_life, self._kind = issuer, kind.audience(audience), max_life, kind
        self._keys = {}
        for jwk in keys:
            key = _public_key(jwk)
            self._keys[key.thumbprint()] = key
        if not self._keys:
            raise ValueError("the key set is empty")
        # The same token comes with every append, twice: what does not depend on the time is found out once.
        self._genuine = lru_cache(maxsize=_REMEMBERED)(self._check)

    @classmethod
    def from_file(
        cls, path: str | Path, issuer: str, audience: str, max_life: int = MAX_LIFE, kind: type[Kind] = Claims
    ) -> "TokenVerifier[Kind]":
        """Raises OSError or ValueError when the file is no JWK Set of public Ed25519 keys."""
        document = json.loads(Path(path).read_text())
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JWK Set")
        return cls(document["keys"], issuer, audience, max_life, kind)

    def verify(self, token: str, now: float | None = None) -> Kind:
        """The claims of `token` at `now` (seconds since the epoch).

        Raises the TokenRefused of the first rule that fails, in the order of docs/token-format.md. `start_by` and the
        binding depend on the request and are checked by `check_start_by` and `check_binding`.
        """
        now = time.time() if now is None else now
        claims = self._genuine(token)
        if max(claims.nbf, claims.iat) > now + LEEWAY:
            raise errors.TokenNotYetValid
        if claims.exp <= now - LEEWAY:
            raise errors.TokenExpired
        return claims

    def _check(self, token: str) -> Kind:
        """All rules but those about the time."""
        if not token:
            raise errors.TokenMissing
        match = _COMPACT.fullmatch(token) if len(token) <= MAX_LENGTH else None
        if match is None:
            raise errors.TokenMalformed
        key = self._key_for(_json(match[1]))
        try:
            signed = jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as exc:
            raise errors.TokenSignature from exc
        payload = _json(match[2])
        if not isinstance(signed.payload, bytes) or not isinstance(payload, dict):
            raise errors.TokenClaims
        claims = self._kind.parse(payload)
        if payload["iss"] != self._issuer:
            raise errors.TokenIssuer
        if payload["aud"] != self._audience:
            raise errors.TokenAudience
        return dataclasses.replace(claims, exp=min(claims.exp, claims.iat + self._max_life))

    def _key_for(self, header: object) -> OKPKey:
        # jwk, jku, x5u, x5c and crit are refused by refusing every header but these three.
        if not isinstance(header, dict) or not header.keys() <= {"alg", "typ", "kid"}:
            raise errors.TokenMalformed
        if header.get("typ") != self._kind.TYPE or header.get("alg") != ALGORITHM:
            raise errors.TokenType
        kid = header.get("kid")
        if not isinstance(kid, str) or kid not in self._keys:
            raise errors.TokenKeyUnknown
        return self._keys[kid]


def check_start_by(claims: Claims, now: float) -> None:
    """A token that was never used is worthless after `start_by`. Raises TokenStartBy."""
    if claims.start_by <= now - LEEWAY:
        raise errors.TokenStartBy


def check_binding(claims: Claims | NamesClaims, cookie: str) -> None:
    """A token with `cnf` speaks only beside the cookie that it names. Raises TokenBinding."""
    if claims.cookie_sha256 is None:
        return
    digest = base64.urlsafe_b64encode(hashlib.sha256(cookie.encode()).digest()).rstrip(b"=").decode()
    if not cookie or not hmac.compare_digest(digest, claims.cookie_sha256):
        raise errors.TokenBinding


def _public_key(jwk: object) -> OKPKey:
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != ALGORITHM or "d" in jwk:
        raise ValueError("not a public Ed25519 key")
    try:
        key = OKPKey.import_key(jwk)
    except JoseError as exc:
        raise ValueError("a damaged key") from exc
    # The maker names its key by thumbprint, whatever its file says: another kid here would never be met.
    if jwk.get("kid") != key.thumbprint():
        raise ValueError("a kid that is not its key's RFC 7638 thumbprint")
    return key


def _json(segment: str) -> object:
    """Decode one segment; a name that appears twice is refused, for two readers could read it differently."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        # Decoded here: left to itself, json.loads takes UTF-16 and UTF-32 as well.
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as exc:
        raise errors.TokenMalformed from exc


def _unique(pairs: list[tuple[str, object]]) -> dict:
    if len(pairs) != len({name for name, _ in pairs}):
        raise ValueError("a name appears twice")
    return dict(pairs)
