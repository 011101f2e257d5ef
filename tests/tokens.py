"""Tokens as the web tier would sign them, with any claim changed: for the cases that web_app itself never makes."""

import base64
import hashlib
import json
import os
import time
import uuid

from joserfc import jws
from joserfc.jwk import OKPKey

from dev import environments


def mint(stack, *, header: dict | None = None, without: tuple[str, ...] = (), **claims) -> str:
    """A token signed with the stack's own key; `claims` replace the usual ones, `without` drops some."""
    jwk = json.loads(stack.keys.token_private.read_text())["keys"][-1]
    now = int(time.time())
    payload = {
        "iss": environments.TOKEN_ISSUER,
        "aud": environments.TOKEN_AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "start_by": now + 900,
        "jti": str(uuid7()),
        "sub": "tester",
        "collection": stack.collection,
        "max_size": 1 << 40,
        "max_uploads": 1,
        **claims,
    }
    for name in without:
        del payload[name]
    header = {"alg": "Ed25519", "typ": "upload+jwt", "kid": jwk["kid"], **(header or {})}
    return jws.serialize_compact(header, json.dumps(payload), OKPKey.import_key(jwk), algorithms=["Ed25519"])


def mint_names(stack, cookie: str, **claims) -> str:
    """A token for names, for the browser with this binding cookie; `grants` or `uploads` say of what."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(cookie.encode()).digest()).decode().rstrip("=")
    said = {"grants": [], "uploads": [], "cnf": {"cookie_sha256": digest}, "exp": int(time.time()) + 300, **claims}
    kept = ("start_by", "jti", "collection", "max_size", "max_uploads")
    audience = f"{environments.TOKEN_AUDIENCE}/names"
    return mint(stack, header={"typ": "upload-names+jwt"}, without=kept, aud=audience, **said)


def uuid7() -> uuid.UUID:
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)


def expired(stack) -> str:
    """A token that was good until a minute ago."""
    now = int(time.time())
    return mint(stack, iat=now - 7200, nbf=now - 7200, start_by=now - 3600, exp=now - 60)
