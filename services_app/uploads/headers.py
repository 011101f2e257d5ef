"""What does the sender say about the file? All of it is a claim, and is checked against the bytes."""

import base64
import re

from . import structured
from .errors import LengthRequired, RequestMalformed

# Base64 with or without its padding (RFC 9651 section 4.2.7).
_SHA = {"sha-256": re.compile(":([A-Za-z0-9+/]{43})=?:"), "sha-512": re.compile(":([A-Za-z0-9+/]{86})(?:==)?:")}


def digests(field: str) -> dict[str, bytes]:
    """Algorithm of hashlib → digest, of a Content-Digest or Repr-Digest field: those that are checked here, SHA-256 and SHA-512.

    A field is a dictionary (RFC 9530 section 2). Raises RequestMalformed for one that cannot be read: its sender relies on
    the comparison.
    """
    members, found = structured.dictionary(field), {}
    if members is None:
        raise RequestMalformed
    for name in members.keys() & _SHA.keys():
        match = _SHA[name].fullmatch(members[name])
        if match is None:
            raise RequestMalformed
        found[name.replace("-", "")] = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))
    return found


def whole_digests(meta: dict) -> dict[str, bytes]:
    """Those that the sender of a whole file names for it. Raises RequestMalformed."""
    # Without a content coding both fields speak of the same bytes.
    of_content, of_whole = (digests(meta.get(name, "")) for name in ("HTTP_CONTENT_DIGEST", "HTTP_REPR_DIGEST"))
    if any(of_content[name] != of_whole[name] for name in of_content.keys() & of_whole.keys()):
        raise RequestMalformed
    return of_content | of_whole


def body_length(content_length: str, transfer_encoding: str) -> int | None:
    """Bytes, or None when the body is chunked. Raises LengthRequired when neither is given (RFC 9110 section 8.6)."""
    if transfer_encoding:
        if transfer_encoding.strip(" \t").lower() != "chunked" or content_length:
            raise RequestMalformed
        return None
    if not content_length:
        raise LengthRequired
    return whole_number(content_length)


def whole_number(value: str) -> int:
    """Raises RequestMalformed unless `value` is 1 to 19 ASCII digits."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 19):
        raise RequestMalformed
    return int(value)


def digest_field(sha256: str) -> str:
    """The value of Repr-Digest (RFC 9530) for a SHA-256 in hex."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
