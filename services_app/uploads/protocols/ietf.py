"""Resumable Uploads for HTTP: draft-ietf-httpbis-resumable-upload.

No 104 interim response is ever sent: nginx would pass it on as the final one. The draft's fields are structured fields
(RFC 9651); one that is none is ignored whole, as the draft demands.
"""

import base64
import re
import time

from services_app.uploads import errors, headers
from services_app.uploads.actions import NewUpload
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.receive import Append
from services_app.uploads.states import State

BODY_TYPE = "application/partial-upload"

_PARAMETERS = r"(?:[ ]*;[ ]*[a-z*][a-z0-9_.*-]*(?:=[!-~ ]*)?)*"
_BOOLEAN = re.compile(rf"[ ]*\?([01]){_PARAMETERS}[ ]*")
_INTEGER = re.compile(rf"[ ]*([0-9]{{1,15}}){_PARAMETERS}[ ]*")
_SHA = re.compile(r"(?:^|,)[ \t]*(sha-256|sha-512)=:([A-Za-z0-9+/]+={0,2}):")


def completeness(meta: dict) -> bool | None:
    """Upload-Complete, or None where it is absent or must be ignored."""
    match = _BOOLEAN.fullmatch(meta.get("HTTP_UPLOAD_COMPLETE", ""))
    return match and match[1] == "1"


def number(meta: dict, name: str) -> int | None:
    """Upload-Offset or Upload-Length, or None where it is absent or must be ignored."""
    match = _INTEGER.fullmatch(meta.get(name, ""))
    return int(match[1]) if match else None


def is_spoken(meta: dict) -> bool:
    """Whether a request means this protocol."""
    content_type = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    return completeness(meta) is not None or content_type == BODY_TYPE


def new_upload(meta: dict) -> NewUpload:
    """Section "Upload Creation". Raises InconsistentLength or RequestMalformed."""
    return NewUpload(
        protocol=Protocol.IETF,
        length=total_length(meta, 0),
        name=headers.file_name(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        sha256=headers.announced_digest(meta.get("HTTP_REPR_DIGEST", "")),
    )


def total_length(meta: dict, offset: int) -> int | None:
    """Section "Length": what a request at `offset` says about the whole. Raises InconsistentLength."""
    announced, content = number(meta, "HTTP_UPLOAD_LENGTH"), meta.get("CONTENT_LENGTH", "")
    deduced = None
    if completeness(meta) and content.isdecimal() and "HTTP_TRANSFER_ENCODING" not in meta:
        deduced = offset + int(content)
    if None not in (announced, deduced) and announced != deduced:
        raise errors.InconsistentLength
    return deduced if announced is None else announced


def append(meta: dict) -> Append:
    """Sections "Upload Append" and "Content Digests". Raises RequestMalformed without Upload-Complete."""
    final = completeness(meta)
    if final is None:
        raise errors.RequestMalformed
    match = _SHA.search(meta.get("HTTP_CONTENT_DIGEST", ""))
    if match is None:
        return Append(final=final)
    try:
        return Append(final=final, checksum=(match[1].replace("-", ""), base64.b64decode(match[2], validate=True)))
    except ValueError as exc:
        raise errors.RequestMalformed from exc


def state_headers(upload: Upload, max_size: int) -> dict[str, str]:
    """Section "Offset Retrieval"."""
    fields = {
        "Upload-Offset": str(upload.offset),
        "Upload-Complete": "?1" if upload.state == State.COMMITTED else "?0",
        "Upload-Limit": limits(max_size, upload),
    }
    if upload.length is not None:
        fields["Upload-Length"] = str(upload.length)
    return fields


def limits(max_size: int, upload: Upload | None = None) -> str:
    """Section "Limits". `max-age` in seconds, for an upload that waits for more."""
    value = f"max-size={max_size}"
    if upload is not None and upload.state in (State.WAITING, State.RECEIVING):
        value += f", max-age={max(0, int(upload.expires_at.timestamp() - time.time()))}"
    return value
