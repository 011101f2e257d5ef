"""Does a file begin with something that was put around it? For senders whose headers do not say so (itself.py asks those)."""

import re

from services_app.uploads.errors import CodingRefused, EnvelopeRefused

# RFC 7578: every part of a form has a boundary line and this field. RFC 2046 bounds the boundary.
_FORM = re.compile(rb"--[^\r\n]{1,70}\r?\n(?:content-[a-z-]+:[^\r\n]*\r?\n)*?content-disposition: *form-data *;", re.IGNORECASE)
# S3, "aws-chunked".
_SIGNED_CHUNK = re.compile(rb"[0-9a-f]{1,8};chunk-signature=[0-9a-f]{64}\r\n", re.IGNORECASE)


def check(head: bytes) -> None:
    """Of the first bytes of a file. Raises EnvelopeRefused or CodingRefused."""
    if _FORM.match(head):
        raise EnvelopeRefused
    if _SIGNED_CHUNK.match(head):
        raise CodingRefused
