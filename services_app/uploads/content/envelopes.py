"""Does a file begin with something that was put around it? For senders whose headers do not say so (itself.py asks those)."""

import re

from services_app.uploads.errors import CodingRefused, EnvelopeRefused

# RFC 2046 section 5.1.1: two hyphens and a boundary, then the header lines of the first part, be it of a form, of STOW-RS or of a
# mail's attachment; what tells a part from any text is its `Content-…`. A line of hyphens alone begins YAML and front matter.
_PART = re.compile(
    rb"(?:[ \t]*\r?\n)*+"
    rb"--(?=-*[^-\s])[0-9a-z'()+_,./:=?-][0-9a-z'()+_,./:=? -]{0,69}\r?\n"
    rb"(?:[0-9a-z!#$%&'*+.^_`|~-]+[ \t]*:[^\r\n]*+(?:\r?\n[ \t][^\r\n]*)*+\r?\n)*?"
    rb"content-[a-z0-9-]+[ \t]*:",
    re.IGNORECASE,
)
# S3, "aws-chunked".
_SIGNED_CHUNK = re.compile(rb"[0-9a-f]{1,8};chunk-signature=[0-9a-f]{64}\r\n", re.IGNORECASE)

# RFC 2397: what browsers make of a file that is asked for as a URL.
_DATA_URL = re.compile(rb"data:[^,;\s]{0,127}(?:;[^,;\s]{0,127}){0,8};base64,", re.IGNORECASE)


def check(head: bytes) -> None:
    """Of the first bytes of a file. Raises EnvelopeRefused or CodingRefused."""
    if _PART.match(head):
        raise EnvelopeRefused
    if _SIGNED_CHUNK.match(head) or _DATA_URL.match(head):
        raise CodingRefused
