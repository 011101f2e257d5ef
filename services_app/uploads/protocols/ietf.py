"""Resumable Uploads for HTTP: draft-ietf-httpbis-resumable-upload.

The text followed is the editors' copy of July 2026, which is -12, and what was merged after it (-13: a completing request
must bring the offset to the length; offset retrieval need not tell Upload-Complete, though it may). Of -15 only the first
page could be read. The names of sections are the draft's.

No 104 interim response is ever sent: nginx would pass it on as the final one. The draft's fields are structured fields
(RFC 9651); one that is none is ignored whole, as the draft demands.
"""

import re
import time
from datetime import datetime

from services_app.uploads import errors, headers, names, structured
from services_app.uploads.actions import NewUpload
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.receive import Append
from services_app.uploads.states import State

BODY_TYPE = "application/partial-upload"

_INTEGER = re.compile("-0{1,15}|[0-9]{1,15}")


def completeness(meta: dict) -> bool | None:
    """Upload-Complete, or None where it is absent or must be ignored."""
    return {"?0": False, "?1": True}.get(structured.item(meta.get("HTTP_UPLOAD_COMPLETE", "")))


def number(meta: dict, name: str) -> int | None:
    """Upload-Offset or Upload-Length, or None where it is absent or must be ignored."""
    value = structured.item(meta.get(name, "")) or ""
    return int(value) if _INTEGER.fullmatch(value) else None


def is_spoken(meta: dict) -> bool:
    """Whether a request means this protocol. One that names a version of tus means that."""
    if "HTTP_TUS_RESUMABLE" in meta:
        return False
    return completeness(meta) is not None or _content_type(meta) == BODY_TYPE


def new_upload(meta: dict) -> NewUpload:
    """Section "Upload Creation". Raises InconsistentLength or RequestMalformed."""
    length, content = total_length(meta, 0), _content_length(meta)
    if None not in (length, content) and content > length:
        raise errors.InconsistentLength
    return NewUpload(
        protocol=Protocol.IETF,
        length=length,
        name=names.from_disposition(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        digests=_digests(meta, "HTTP_REPR_DIGEST"),
    )


def total_length(meta: dict, offset: int) -> int | None:
    """Section "Length": what a request at `offset` says about the whole. Raises InconsistentLength."""
    announced, content = number(meta, "HTTP_UPLOAD_LENGTH"), _content_length(meta)
    deduced = offset + content if completeness(meta) and content is not None else None
    if None not in (announced, deduced) and announced != deduced:
        raise errors.InconsistentLength
    return deduced if announced is None else announced


def append(meta: dict) -> Append:
    """Sections "Upload Append" and "Content Digests". Raises RequestMalformed without Upload-Complete."""
    final = completeness(meta)
    if final is None:
        raise errors.RequestMalformed
    return Append(
        final=final,
        checksums=_digests(meta, "HTTP_CONTENT_DIGEST"),
        whole=_digests(meta, "HTTP_REPR_DIGEST"),
        checksum_problem=errors.ContentDigestDiffers,
        excess_problem=errors.LengthExceeded,
    )


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
    return isinstance(problem, of_bytes | errors.Unstorable)


def _digests(meta: dict, name: str) -> tuple[tuple[str, bytes], ...]:
    return tuple(headers.digests(meta.get(name, "")).items())


def _content_length(meta: dict) -> int | None:
    """Bytes of this request, None for a chunked body; a request that says neither has none."""
    if "HTTP_TRANSFER_ENCODING" in meta:
        return None
    length = meta.get("CONTENT_LENGTH", "")
    return headers.whole_number(length) if length else 0


def _content_type(meta: dict) -> str:
    return meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
