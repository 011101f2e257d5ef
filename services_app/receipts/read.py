"""Reads what this tier signed itself. Pure: no Django.

A key that was retired is not here any more. What it signed is read, and not believed by itself: see services_app/proof.
"""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from .issue import ALGORITHM


class NotSigned(ValueError):
    """No statement of ours: another form or type, or a signature that is not that of its key."""


@dataclass(frozen=True, slots=True)
class Signed:
    """`verified`: by a key that is here. Else the key that it names is not known here, and anybody may have made it."""

    claims: dict
    verified: bool


class StatementReader:
    def __init__(self, keys: list[dict]):
        """`keys` are JWKs; of private ones the public half is used."""
        loaded = [OKPKey.import_key({name: value for name, value in jwk.items() if name != "d"}) for jwk in keys]
        self._keys = {key.thumbprint(): key for key in loaded}

    def read(self, text: object, as_type: str) -> Signed:
        """Raises NotSigned."""
        if not isinstance(text, str) or text.count(".") != 2:
            raise NotSigned
        header, payload = (_object(part) for part in text.split(".")[:2])
        if header.keys() != {"alg", "typ", "kid"} or (header["alg"], header["typ"]) != (ALGORITHM, as_type):
            raise NotSigned
        key = self._keys.get(header["kid"])
        if key is None:
            return Signed(payload, verified=False)
        try:
            jws.deserialize_compact(text, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as exc:
            raise NotSigned from exc
        return Signed(payload, verified=True)


def keys_of(path: str | Path) -> list[dict]:
    """Raises OSError, ValueError, KeyError or TypeError when the file is no JWK Set."""
    return json.loads(Path(path).read_text())["keys"]


def _object(part: str) -> dict:
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as exc:
        raise NotSigned from exc
    if not isinstance(found, dict) or not isinstance(found.get("kid", ""), str):
        raise NotSigned
    return found
