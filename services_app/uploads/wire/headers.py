"""What does the sender say about the file? All of it is a claim, and is checked against the bytes."""

import base64

from services_app.uploads.errors import LengthRequired, RequestMalformed


def uncount(meta: dict) -> None:
    """nginx passes a chunked body that it has whole already on with a length, which its sender never named. Whether it has hangs on
    timing, so it is judged as it was sent.
    """
    if meta.get("CONTENT_LENGTH") and (coding := meta.get("HTTP_X_UPLOAD_CODING")):
        meta |= {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": coding}


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


def base(meta: dict) -> str:
    """The URL below which the uploads of this token live, as their sender spells it."""
    return meta.get("HTTP_X_UPLOAD_BASE", "/u")
