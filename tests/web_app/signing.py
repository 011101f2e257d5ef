"""Signs receipts as the services tier would, or not quite."""

import json
import os
from pathlib import Path

from joserfc import jws
from joserfc.jwk import OKPKey

UPLOAD_ID = "019ab0c0-0000-7000-8000-000000000001"


def receipt_key() -> OKPKey:
    private = Path(os.environ["TOKEN_KEY_FILE"]).with_name("receipt-private.jwks")
    newest = json.loads(private.read_text())["keys"][-1]
    # Without `alg`, which would keep the library from signing the bad ones.
    return OKPKey.import_key({name: newest[name] for name in ("kty", "crv", "x", "d")})


def signed(claims: dict | str, header: dict | None = None, key: OKPKey | None = None) -> str:
    """`header` adds to or replaces what a good one holds; None removes."""
    key = key or receipt_key()
    full = {"alg": "Ed25519", "typ": "upload-receipt+jwt", "kid": key.thumbprint(), **(header or {})}
    full = {name: value for name, value in full.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=["Ed25519", "EdDSA"], strict_check_header=False)
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    return jws.serialize_compact(full, payload, key, registry=registry)
