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
CHECKPOINT = "ledger-checkpoint+jwt"
CONTINUATION = "ledger-continuation+jwt"
LEEWAY = 30
_LONGEST, _LONGEST_CONTINUATION = 8 * 1024, 128 * 1024  # characters

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

    issuer: str
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


@dataclass(frozen=True)
class Continuation:
    """What the services tier states after a restore: behind the entry `after`, the statements `known` are of a branch that is gone.

    Each is the number of an entry and its hash.
    """

    after: tuple[int, str]
    known: frozenset[tuple[int, str]]


class ReceiptVerifier:
    """`issuer` None takes whoever signs with these keys."""

    def __init__(self, keys: list[OKPKey], issuer: str | None):
        self._keys = {key.thumbprint(): key for key in keys}
        self._issuer = issuer

    @classmethod
    def from_file(cls, path: Path, issuer: str | None) -> "ReceiptVerifier":
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
        claims = self._claims(text, TYPE, _CLAIMS, time.time() if now is None else now)
        return Receipt(
            issuer=claims["iss"],
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

    def checkpoint(self, text: str) -> tuple[int, str]:
        """Number and hash of the ledger's newest entry, as it was signed. Raises a ReceiptError."""
        claims = self._claims(text, CHECKPOINT, _CLAIMS_OF_A_CHECKPOINT, time.time())
        return claims["ledger_seq"], claims["ledger_head"]

    def continuation(self, text: str) -> Continuation:
        """What was signed after a restore. Raises a ReceiptError."""
        claims = self._claims(text, CONTINUATION, _CLAIMS_OF_A_CONTINUATION, time.time())
        known = frozenset((seq, head) for seq, head in claims["known"])
        return Continuation((claims["after_seq"], claims["after_head"]), known)

    def _claims(self, text: str, as_type: str, expected: dict, now: float) -> dict:
        header = _checked_header(text, as_type)
        key = self._keys.get(header["kid"])
        if key is None:
            raise ReceiptKeyUnknown
        try:
            signed = jws.deserialize_compact(text, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as exc:
            raise ReceiptSignatureBad from exc
        claims = _json_object(signed.payload)
        if claims.keys() != expected.keys() or not all(expected[name](value) for name, value in claims.items()):
            raise ReceiptClaimsBad
        if self._issuer not in (None, claims["iss"]):
            raise ReceiptWrongIssuer
        if claims["iat"] > now + LEEWAY:
            raise ReceiptFromTheFuture
        return claims


def _checked_header(text: str, as_type: str) -> dict:
    parts = text.split(".")
    longest = _LONGEST_CONTINUATION if as_type == CONTINUATION else _LONGEST
    if len(text) > longest or len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        raise ReceiptMalformed
    try:
        header = _json_object(urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ReceiptClaimsBad) as exc:
        raise ReceiptMalformed from exc
    # RFC 8725, 3.10: a header that brings its own key (jwk, jku, x5u, x5c), or crit, is refused before anything is
    # believed.
    if not header.keys() <= {"alg", "typ", "kid"}:
        raise ReceiptMalformed
    if header.get("typ") != as_type or header.get("alg") != ALGORITHM:
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
_CLAIMS_OF_A_CHECKPOINT = {
    "iss": _CLAIMS["iss"],
    "iat": _natural,
    "store": lambda value: isinstance(value, str),
    "ledger_seq": _natural,
    "ledger_head": _like(_HEX64),
}
_CLAIMS_OF_A_CONTINUATION = {
    "iss": _CLAIMS["iss"],
    "iat": _natural,
    "after_seq": _natural,
    "after_head": _like(_HEX64),
    "known": lambda value: isinstance(value, list) and all(_is_an_entry(one) for one in value),
}


def _is_an_entry(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and _natural(value[0]) and _like(_HEX64)(value[1])


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
