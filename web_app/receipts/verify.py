"""Checks receipts of the services tier to the letter of docs/token-format.md. No Django here.

ReceiptError                          `code` says which
├── ReceiptMalformed                  no compact JWS of JSON objects, or a header that is not alg, typ and kid alone
├── ReceiptWrongType                  another typ or alg
├── ReceiptKeyUnknown                 a kid that is in no published key
├── ReceiptSignatureBad
├── ReceiptClaimsBad                  a claim is missing, ill-typed or unknown
├── ReceiptWrongIssuer
└── ReceiptFromTheFuture              iat lies ahead
"""

import binascii
import json
import re
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
TYPE = "upload-receipt+jwt"
LEEWAY = 30
_LONGEST = 8 * 1024

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COLLECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class ReceiptError(Exception):
    code = "receipt_error"

    def __init__(self) -> None:
        super().__init__(self.code)


class ReceiptMalformed(ReceiptError):
    code = "malformed"


class ReceiptWrongType(ReceiptError):
    code = "wrong_type"


class ReceiptKeyUnknown(ReceiptError):
    code = "key_unknown"


class ReceiptSignatureBad(ReceiptError):
    code = "signature_bad"


class ReceiptClaimsBad(ReceiptError):
    code = "claims_bad"


class ReceiptWrongIssuer(ReceiptError):
    code = "wrong_issuer"


class ReceiptFromTheFuture(ReceiptError):
    code = "from_the_future"


class KeyFileUnusable(Exception):
    """The file of published keys cannot be used. The text says what to put there, and nothing of what is in it."""


@dataclass(frozen=True)
class Receipt:
    """What the services tier states: `size` bytes with this digest are durable."""

    issued_at: int
    upload_id: str
    grant: str
    subject: str
    collection: str
    size: int
    sha256: str
    media_type: str
    received_at: datetime
    durable_at: datetime
    ledger_seq: int
    ledger_head: str


class ReceiptVerifier:
    def __init__(self, keys: list[OKPKey], issuer: str):
        self._keys = {key.thumbprint(): key for key in keys}
        self._issuer = issuer

    @classmethod
    def from_file(cls, path: Path, issuer: str) -> "ReceiptVerifier":
        """Raises KeyFileUnusable."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["keys"]
        except OSError as exc:
            raise KeyFileUnusable(f"it cannot be read ({type(exc).__name__})") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise KeyFileUnusable("it is no JWK Set") from exc
        if not isinstance(entries, list) or not entries:
            raise KeyFileUnusable("it holds no key")
        return cls([_public_key(entry) for entry in entries], issuer)

    def published(self) -> dict:
        """The JWK Set that anyone may have, oldest to newest: the public members alone, whatever the file held."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": key.as_dict(private=False)["x"],
                    "use": "sig",
                    "alg": ALGORITHM,
                    "kid": kid,
                }
                for kid, key in self._keys.items()
            ]
        }

    def verify(self, text: str, now: float | None = None) -> Receipt:
        """The statement that `text` carries. Raises a ReceiptError: form, then signature, then claims."""
        header = _checked_header(text)
        key = self._keys.get(header["kid"])
        if key is None:
            raise ReceiptKeyUnknown
        try:
            signed = jws.deserialize_compact(text, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as exc:
            raise ReceiptSignatureBad from exc
        return self._checked_claims(_json_object(signed.payload), time.time() if now is None else now)

    def _checked_claims(self, claims: dict, now: float) -> Receipt:
        if claims.keys() != _CLAIMS.keys() or not all(_CLAIMS[name](value) for name, value in claims.items()):
            raise ReceiptClaimsBad
        if claims["iss"] != self._issuer:
            raise ReceiptWrongIssuer
        if claims["iat"] > now + LEEWAY:
            raise ReceiptFromTheFuture
        return Receipt(
            issued_at=claims["iat"],
            upload_id=claims["upload_id"],
            grant=claims["grant"],
            subject=claims["sub"],
            collection=claims["collection"],
            size=claims["size"],
            sha256=claims["sha256"],
            media_type=claims["media_type"],
            received_at=datetime.fromisoformat(claims["received_at"]),
            durable_at=datetime.fromisoformat(claims["durable_at"]),
            ledger_seq=claims["ledger_seq"],
            ledger_head=claims["ledger_head"],
        )


def _checked_header(text: str) -> dict:
    parts = text.split(".")
    if len(text) > _LONGEST or len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        raise ReceiptMalformed
    try:
        header = _json_object(urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ReceiptClaimsBad) as exc:
        raise ReceiptMalformed from exc
    # RFC 8725, 3.10: a header that brings its own key (jwk, jku, x5u, x5c), or crit, is refused before anything is
    # believed.
    if not header.keys() <= {"alg", "typ", "kid"}:
        raise ReceiptMalformed
    if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
        raise ReceiptWrongType
    if not isinstance(header.get("kid"), str):
        raise ReceiptMalformed
    return header


def _json_object(raw: bytes) -> dict:
    try:
        value = json.loads(raw, object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError) as exc:
        raise ReceiptClaimsBad from exc
    if not isinstance(value, dict):
        raise ReceiptClaimsBad
    return value


def _each_name_once(pairs: list[tuple[str, object]]) -> dict:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _like(pattern: re.Pattern):
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _moment(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _natural(value: object) -> bool:
    return type(value) is int and value >= 0


_CLAIMS = {
    "iss": lambda value: isinstance(value, str),
    "iat": _natural,
    "upload_id": _like(_UUID7),
    "grant": _like(_UUID7),
    "sub": _like(_SUBJECT),
    "collection": _like(_COLLECTION),
    "size": _natural,
    "sha256": _like(_HEX64),
    "media_type": _like(_MEDIA_TYPE),
    "received_at": _moment,
    "durable_at": _moment,
    "ledger_seq": _natural,
    "ledger_head": _like(_HEX64),
}


def _public_key(entry: object) -> OKPKey:
    if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
        raise KeyFileUnusable("a key in it is no Ed25519 key")
    # A private key here would let this tier, or whoever reads the published set, make receipts (invariant 5).
    if "d" in entry:
        raise KeyFileUnusable("a key in it is private; it must hold public keys only")
    try:
        key = OKPKey.import_key(entry)
    except (JoseError, ValueError, TypeError) as exc:
        raise KeyFileUnusable("a key in it is damaged") from exc
    if entry.get("alg", ALGORITHM) != ALGORITHM or entry.get("use", "sig") != "sig":
        raise KeyFileUnusable("a key in it is for another purpose (alg or use)")
    if entry.get("kid", key.thumbprint()) != key.thumbprint():
        raise KeyFileUnusable("a kid in it is not its key's RFC 7638 thumbprint")
    return key
