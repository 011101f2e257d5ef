"""The codes of an authenticator app (RFC 6238), with what every app speaks: SHA-1, six digits, thirty seconds."""

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP = 30  # seconds
DIGITS = 6
_AROUND = (0, -1, 1)  # steps: a telephone's clock may be half a minute off, and typing takes time (RFC 6238, section 5.2)
_SECRET_BYTES = 20  # RFC 4226, section 4, R6


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    """RFC 4226, section 5.3."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(secret: bytes, typed: str, now: float) -> int | None:
    """The step, of the few around `now` (seconds), whose code this is. That a step counts once is for who keeps it."""
    code = "".join(typed.split())
    if not (code.isascii() and code.isdecimal() and len(code) == DIGITS):
        return None
    steps = [int(now) // STEP + around for around in _AROUND]
    return next((step for step in steps if hmac.compare_digest(code_at(secret, step), code)), None)


def spelled(secret: bytes) -> str:
    """For who types it."""
    return base64.b32encode(secret).decode()


def address(secret: bytes, *, account: str, issuer: str) -> str:
    """What a QR code says to an app (Key URI Format)."""
    asked = urlencode({"secret": spelled(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='')}?{asked}"
