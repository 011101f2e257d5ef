"""A whole file in one request: `PUT /u` (RFC 9110). Cut off, it leaves an upload that either resumable protocol can finish, or
another PUT that brings the rest (section 14.5, ADR 0014).
"""

from services_app.store.paths import FALLBACK_NAME
from services_app.uploads import errors
from services_app.uploads.actions import NewUpload
from services_app.uploads.content.receive import Append
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.wire import digests, itself, names

from . import ietf


def new_upload(meta: dict, asked: digests.Asked, length: int | None = None) -> NewUpload:
    """`length`: what the token says, which counts where its sender does not. Raises LengthRequired, PartialBody or RequestMalformed."""
    said = itself.whole_length(meta)
    return NewUpload(
        protocol=Protocol.WHOLE,
        length=length if said is None else said,
        name=names.from_disposition(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        digests=asked.of_whole,
    )


def asked(meta: dict) -> digests.Asked:
    """The digests of the file. Raises as digests.asked."""
    return digests.asked(meta, digests.Brings.FILE)


def asked_of_check(put: dict) -> digests.Asked:
    """The same of the PUT that `/check` asks about, whichever protocol it speaks."""
    return ietf.asked(put) if ietf.is_spoken(put) else asked(put)


def append(meta: dict, asked: digests.Asked) -> Append:
    """What it is held to is the sender's word, or else the token's."""
    of_sender = errors.LengthNotReached, errors.LengthExceeded
    of_token = errors.GrantedLengthNotReached, errors.LengthDiffers
    short, excess = of_token if itself.whole_length(meta) is None else of_sender
    return Append(
        final=True,
        checksums=asked.of_body,
        whole=asked.of_whole,
        creating=True,
        short_problem=short,
        excess_problem=excess,
    )


def rest(meta: dict, upload: Upload) -> Append:
    """Content-Digest is of this body, Repr-Digest of the whole file. Raises as digests.asked, and PartialBody for the rest of
    another file, as far as names tell.
    """
    if names.from_disposition(meta.get("HTTP_CONTENT_DISPOSITION", "")) not in (FALLBACK_NAME, upload.safe_name):
        raise errors.PartialBody
    asked = digests.asked(meta, digests.Brings.REST, sha512=bool(upload.expected_sha512))
    return Append(
        final=True,
        by_length=True,
        checksums=asked.of_body,
        whole=asked.of_whole,
        excess_problem=errors.AppendTooLarge,
    )


def learnt_length(meta: dict, upload: Upload) -> int:
    """The length that a rest names. Raises InconsistentLength."""
    length = itself.whole_length(meta)
    if upload.length not in (None, length):
        raise errors.InconsistentLength
    return length
