"""A whole file in one request: `PUT /u` (RFC 9110). Cut off, it leaves an upload that either resumable protocol can finish, or
another PUT that brings the rest (section 14.5, ADR 0014).
"""

from services_app.uploads import errors, headers, itself, names
from services_app.uploads.actions import NewUpload
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.receive import Append


def new_upload(meta: dict) -> NewUpload:
    """Raises LengthRequired, PartialBody or RequestMalformed."""
    return NewUpload(
        protocol=Protocol.WHOLE,
        length=itself.whole_length(meta),
        name=names.from_disposition(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        digests=tuple(headers.whole_digests(meta).items()),
    )


def append() -> Append:
    return Append(final=True, excess_problem=errors.LengthExceeded)


def rest(meta: dict) -> Append:
    """Content-Digest is of this body, Repr-Digest of the whole file. Raises RequestMalformed."""
    checksums, whole = (headers.digests(meta.get(name, "")) for name in ("HTTP_CONTENT_DIGEST", "HTTP_REPR_DIGEST"))
    return Append(
        final=True,
        checksums=tuple(checksums.items()),
        whole=tuple(whole.items()),
        checksum_problem=errors.ContentDigestDiffers,
        excess_problem=errors.AppendTooLarge,
    )


def learnt_length(meta: dict, upload: Upload) -> int:
    """The length that a rest names. Raises InconsistentLength."""
    length = itself.whole_length(meta)
    if upload.length not in (None, length):
        raise errors.InconsistentLength
    return length
