"""Resumable Uploads for HTTP: draft-ietf-httpbis-resumable-upload.

The text followed is -12 (July 2026) and what could be read of the changes after it; ADR 0015 names them, and where it is left
on purpose. The names of sections are the draft's.

No 104 interim response is ever sent: nginx would pass it on as the final one. The draft's fields are structured fields
(RFC 9651); one that is none is ignored whole, as the draft demands, but for Upload-Complete: it says which protocol is spoken.
"""

import time
from datetime import datetime

from services_app.uploads import errors
from services_app.uploads.actions import NewUpload
from services_app.uploads.content.receive import Append
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.states import State
from services_app.uploads.wire import digests, headers, names, structured

BODY_TYPE = "application/partial-upload"


def completeness(meta: dict) -> bool | None:
    """Upload-Complete, or None where it is absent or cannot be read."""
    value = structured.item(meta.get("HTTP_UPLOAD_COMPLETE", ""))
    return value if isinstance(value, bool) else None


def number(meta: dict, name: str) -> int | None:
    """Upload-Offset or Upload-Length, or None where it is absent or must be ignored."""
    value = structured.item(meta.get(name, ""))
    return value if type(value) is int and value >= 0 else None


def is_spoken(meta: dict) -> bool:
    """Whether a request means this protocol: by its own mark, readable or not, or its media type, whatever of tus stands beside
    it. One that names a version of tus means that.
    """
    if "HTTP_TUS_RESUMABLE" in meta:
        return False
    return "HTTP_UPLOAD_COMPLETE" in meta or _content_type(meta) == BODY_TYPE


def check_mark(meta: dict) -> None:
    """Raises RequestMalformed for an Upload-Complete that cannot be read: it would leave open which protocol is spoken."""
    if "HTTP_UPLOAD_COMPLETE" in meta and completeness(meta) is None:
        raise errors.RequestMalformed


def new_upload(meta: dict, asked: digests.Asked) -> NewUpload:
    """Section "Upload Creation". Raises InconsistentLength or RequestMalformed."""
    length, content = total_length(meta, 0), _content_length(meta)
    if None not in (length, content) and content > length:
        raise errors.InconsistentLength
    return NewUpload(
        protocol=Protocol.IETF,
        length=length,
        name=names.from_disposition(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        digests=asked.of_whole,
    )


def total_length(meta: dict, offset: int) -> int | None:
    """Section "Length": what a request at `offset` says about the whole. Raises InconsistentLength."""
    announced, content = number(meta, "HTTP_UPLOAD_LENGTH"), _content_length(meta)
    deduced = offset + content if completeness(meta) and content is not None else None
    if None not in (announced, deduced) and announced != deduced:
        raise errors.InconsistentLength
    return deduced if announced is None else announced


def asked(meta: dict) -> digests.Asked:
    """The digests that a creation names. Raises as digests.asked, and RequestMalformed without Upload-Complete."""
    return digests.asked(meta, digests.Brings.FILE if _is_final(meta) else digests.Brings.PART)


def append(meta: dict, asked: digests.Asked, *, creating: bool = False) -> Append:
    """Section "Upload Append". Raises RequestMalformed without an Upload-Complete that can be read: nobody knows what it wants."""
    return Append(
        final=_is_final(meta),
        checksums=asked.of_body,
        whole=asked.of_whole,
        creating=creating,
        excess_problem=errors.LengthExceeded,
        limit_problem=errors.TooLarge if creating else errors.AppendTooLarge,  # under an older token it may have been allowed
    )


def _is_final(meta: dict) -> bool:
    final = completeness(meta)
    if final is None:
        raise errors.RequestMalformed
    return final


def check_body_type(meta: dict) -> None:
    """Section "Upload Append": what is appended is an application/partial-upload. Raises AppendTypeRefused."""
    if _content_type(meta) != BODY_TYPE:
        raise errors.AppendTypeRefused


def state_headers(upload: Upload, max_size: int, until: datetime | None) -> dict[str, str]:
    """Section "Offset Retrieval"; the limits are those of `limits`."""
    fields = {
        "Upload-Offset": str(upload.offset),
        "Upload-Complete": "?1" if upload.state == State.COMMITTED else "?0",
        "Upload-Limit": limits(max_size, until),
    }
    if upload.length is not None:
        fields["Upload-Length"] = str(upload.length)
    return fields


def limits(max_size: int, until: datetime | None = None) -> str:
    """Section "Limits": in bytes, and for an upload that waits for more in seconds until its end (policies.reachable_until)."""
    value = f"max-size={max_size}"
    return value if until is None else f"{value}, max-age={max(0, int(until.timestamp() - time.time()))}"


def is_of_the_target(problem: errors.Problem) -> bool:
    """Section "Completeness": whether a refusal comes from what the bytes are, so that the upload is over (`?1`)."""
    of_bytes = errors.TypeRefused | errors.EnvelopeRefused | errors.CodingRefused | errors.DigestDiffers | errors.LengthDiffers
    of_bytes |= errors.Unstorable | errors.FolderRefused
    return isinstance(problem, of_bytes) and not isinstance(problem, errors.LastBytesDiffer)


def _content_length(meta: dict) -> int | None:
    """Bytes of this request, None for a chunked body; a request that says neither has none."""
    if "HTTP_TRANSFER_ENCODING" in meta:
        return None
    length = meta.get("CONTENT_LENGTH", "")
    return headers.whole_number(length) if length else 0


def _content_type(meta: dict) -> str:
    return meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
