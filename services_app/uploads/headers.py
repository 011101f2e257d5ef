"""What does the sender say about the file? All of it is a claim, and is checked against the bytes."""

import base64
import re

from django.utils.http import parse_header_parameters

from services_app.store.paths import safe_name

from .errors import LengthRequired, RequestMalformed

# A member of the field that means SHA-256, and the one spelling that RFC 9530 gives it (a structured field, RFC 9651).
_NAMES_SHA256 = re.compile(r"[ \t]*sha-256[ \t]*(?:[=;]|$)", re.IGNORECASE)
_SHA256 = re.compile(r"[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?:;.*)?")


def whole_digest(meta: dict) -> str | None:
    """The SHA-256 (hex) that the sender of a whole file names for it, if any. Raises RequestMalformed."""
    # Without a content coding both fields speak of the same bytes.
    digests = {announced_digest(meta.get(name, "")) for name in ("HTTP_REPR_DIGEST", "HTTP_CONTENT_DIGEST")} - {None}
    if len(digests) > 1:
        raise RequestMalformed
    return next(iter(digests), None)


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


def announced_digest(header: str) -> str | None:
    """SHA-256 in hex from a Repr-Digest or Content-Digest field (RFC 9530), None when it names no SHA-256.

    Raises RequestMalformed for one that cannot be read: its sender relies on the comparison.
    """
    members = [member for member in header.split(",") if _NAMES_SHA256.match(member)]
    if not members:
        return None
    match = _SHA256.fullmatch(members[0])
    if match is None or len(members) > 1:
        raise RequestMalformed
    return base64.b64decode(match[1]).hex()


def digest_field(sha256: str) -> str:
    """The value of Repr-Digest (RFC 9530) for a SHA-256 in hex."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def file_name(content_disposition: str) -> str:
    """A safe name from Content-Disposition (RFC 6266, RFC 8187). Never raises: a bad name is made a good one."""
    try:
        # WSGI hands over latin-1; senders that put raw UTF-8 into a header mean UTF-8.
        text = content_disposition.encode("latin-1").decode("utf-8", "replace")
        _, parameters = parse_header_parameters(text)
    except ValueError:
        parameters = {}
    return safe_name(parameters.get("filename", ""))
