"""What does the sender say about the file? All of it is a claim, and is checked against the bytes."""

import base64
import binascii
import re
from dataclasses import dataclass

from django.utils.http import parse_header_parameters

from services_app.store.paths import safe_name

from .errors import LengthRequired, RequestMalformed

_DIGEST = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/=]*):")


@dataclass(frozen=True, slots=True)
class Announced:
    """`length` in bytes or None for a chunked body; `sha256` in hex or None; `name` is safe already."""

    length: int | None
    sha256: str | None
    name: str

    @classmethod
    def of_put(cls, meta: dict) -> "Announced":
        """Read the headers of a whole-file PUT. Raises LengthRequired or RequestMalformed."""
        return cls(
            length=body_length(meta.get("CONTENT_LENGTH", ""), meta.get("HTTP_TRANSFER_ENCODING", "")),
            sha256=announced_digest(meta.get("HTTP_REPR_DIGEST") or meta.get("HTTP_CONTENT_DIGEST") or ""),
            name=file_name(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        )


def body_length(content_length: str, transfer_encoding: str) -> int | None:
    """Bytes, or None when the body is chunked. Raises LengthRequired when neither is given (RFC 9110 section 8.6)."""
    if transfer_encoding:
        if transfer_encoding.strip().lower() != "chunked" or content_length:
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

    Raises RequestMalformed for a SHA-256 that is none.
    """
    match = _DIGEST.search(header)
    if match is None:
        return None
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error as exc:
        raise RequestMalformed from exc
    if len(digest) != 32:
        raise RequestMalformed
    return digest.hex()


def file_name(content_disposition: str) -> str:
    """A safe name from Content-Disposition (RFC 6266, RFC 8187). Never raises: a bad name is made a good one."""
    try:
        # WSGI hands over latin-1; senders that put raw UTF-8 into a header mean UTF-8.
        text = content_disposition.encode("latin-1").decode("utf-8", "replace")
        _, parameters = parse_header_parameters(text)
    except ValueError:
        parameters = {}
    return safe_name(parameters.get("filename", ""))
