"""tus 1.0.0: core, creation, creation-with-upload, creation-defer-length, expiration, checksum, termination, concatenation.

The names of sections are those of the specification. `checksum-trailer` is not offered: nginx drops request trailers.
"""

import base64
import re
import uuid
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urljoin, urlsplit

from services_app.uploads import bounds, errors
from services_app.uploads.actions import NewUpload
from services_app.uploads.content.receive import Append
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.wire import digests, names

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
CHECKSUMS = ("sha1", "sha256", "sha512", "md5")
BODY_TYPE = "application/offset+octet-stream"

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_BEYOND = 1 << 63  # what no file reaches and no column of the database takes
_PAIR = re.compile(r"(?P<key>[\x21-\x2b\x2d-\x7e]+)(?: (?P<value>[A-Za-z0-9+/]*={0,2}))?")
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_BEFORE_ID = re.compile(rf"(?<![^/ ;])(?!u/|\.{{1,2}}/)[^/ ;]+/(?={_ID}(?: |$))")  # where a URL of an upload holds its token
_MARK = "~/"  # where it was
_UPLOAD_PATH = re.compile(r"/u(?:/[A-Za-z0-9._~+=-]+)?/" + f"(?P<id>{_ID})")


def is_spoken(meta: dict) -> bool:
    """Whether a request means this protocol, be it in another version or without saying which."""
    return (
        "HTTP_TUS_RESUMABLE" in meta
        or _content_type(meta) == BODY_TYPE
        or "HTTP_UPLOAD_DEFER_LENGTH" in meta
        or "HTTP_UPLOAD_CONCAT" in meta
    )


def check_version(meta: dict) -> None:
    """Section "Tus-Resumable". Raises VersionUnsupported."""
    if meta.get("HTTP_TUS_RESUMABLE") != VERSION:
        raise errors.VersionUnsupported


def is_other_version(meta: dict) -> bool:
    """Whether a request names a version that is not spoken here; nothing else of it may be looked at then."""
    return meta.get("HTTP_TUS_RESUMABLE", VERSION) != VERSION


def version_header(meta: dict) -> dict[str, str]:
    """Section "Tus-Resumable": in every answer to a request that bears it."""
    return {"Tus-Resumable": VERSION} if "HTTP_TUS_RESUMABLE" in meta else {}


def is_meant(meta: dict) -> bool:
    """Whether a creation that speaks no other protocol means this one, and forgot to say so."""
    return "HTTP_UPLOAD_LENGTH" in meta or "HTTP_UPLOAD_METADATA" in meta


def number(value: str) -> int:
    """A non-negative integer, however large: one beyond all limits is an honest number still. Raises RequestMalformed."""
    if not _DIGITS.fullmatch(value):
        raise errors.RequestMalformed
    return min(int(value.lstrip("0")[:20] or "0"), _BEYOND)


def new_upload(meta: dict, asked: digests.Asked) -> NewUpload:
    """Sections "Creation" and "Concatenation". Raises RequestMalformed or MetadataTooLarge."""
    concat = meta.get("HTTP_UPLOAD_CONCAT", "")
    final = concat.startswith("final;")
    if concat and concat != "partial" and not final:
        raise errors.RequestMalformed
    metadata = meta.get("HTTP_UPLOAD_METADATA", "")
    if len(metadata) > bounds.METADATA:
        raise errors.MetadataTooLarge
    return NewUpload(
        protocol=Protocol.TUS,
        length=_announced_length(meta, final=final),
        name=names.from_metadata(_metadata(metadata).get("filename", b"")),
        digests=asked.of_whole,
        metadata=metadata,
        concat=without_token(concat),
    )


def asked(meta: dict) -> digests.Asked:
    """The digests that a creation names. Raises as digests.asked; a concatenation can be compared with a SHA-256 at most."""
    length, concat = meta.get("HTTP_UPLOAD_LENGTH"), meta.get("HTTP_UPLOAD_CONCAT", "")
    whole = length is not None and length == meta.get("CONTENT_LENGTH")
    asked = digests.asked(meta, digests.Brings.FILE if whole else digests.Brings.PART)
    known = {"": ("sha256", "sha512"), "partial": ()}.get(concat, ("sha256",))
    if others := [(check.header, check.algorithm) for check in asked.of_whole if check.kind not in known]:
        raise errors.ChecksumUnsupported(*others)
    return asked


def append(asked: digests.Asked, *, creating: bool = False) -> Append:
    """Sections "PATCH" and "Checksum"."""
    return Append(
        by_length=True,
        checksums=asked.of_body,
        whole=asked.of_whole,
        creating=creating,
        excess_problem=errors.AppendTooLarge,
        limit_problem=errors.AppendTooLarge,
    )


def check_body_type(meta: dict) -> None:
    """Section "PATCH". Raises AppendTypeRefused."""
    if _content_type(meta) != BODY_TYPE:
        raise errors.AppendTypeRefused


def learnt_length(meta: dict, upload: Upload) -> int | None:
    """The length that a PATCH brings for an upload whose length was deferred, if any. Raises InconsistentLength."""
    if "HTTP_UPLOAD_LENGTH" not in meta:
        return None
    length = number(meta["HTTP_UPLOAD_LENGTH"])
    if (upload.length is not None and upload.length != length) or length < upload.offset:
        raise errors.InconsistentLength
    return length


def part_ids(concat: str, base: str) -> list[uuid.UUID]:
    """The uploads that `final;<url> <url> …` names; `base` is the URL below which uploads live here. Raises RequestMalformed
    for what is no URL of one: a part that is not understood must not be missing in silence.
    """
    urls = [url for url in concat.removeprefix("final;").split(" ") if url]
    if not urls:
        raise errors.RequestMalformed
    return [_part_id(url, base) for url in urls]


def _part_id(url: str, base: str) -> uuid.UUID:
    """`url` may be relative to where the final upload is created, which is `base` (RFC 3986 section 5)."""
    try:
        here, there = urlsplit(base), urlsplit(urljoin(base, url))
    except ValueError as exc:
        raise errors.RequestMalformed from exc
    match = _UPLOAD_PATH.fullmatch(there.path)
    elsewhere = (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower())
    # urlsplit() would pass over a tab.
    if match is None or elsewhere or there.query or there.fragment or not url.isprintable():
        raise errors.RequestMalformed
    return uuid.UUID(match["id"])


def without_token(concat: str) -> str:
    """An Upload-Concat to keep: URLs hold the token, and nothing that opens anything is kept."""
    return _BEFORE_ID.sub(_MARK, concat)


def _as_sent(concat: str, base: str) -> str:
    """The same for who asks under `base`, with the token that is there, if any."""
    token = base.rpartition("/u/")[2] if "/u/" in base else ""
    return concat.replace(_MARK, f"{token}/" if token else "")


def state_headers(upload: Upload, until: datetime | None, base: str) -> dict[str, str]:
    """What HEAD says, to who spells the URL below which uploads live as `base`."""
    fields = {"Upload-Offset": str(upload.offset), **expires(until)}
    if upload.length is None:
        fields["Upload-Defer-Length"] = "1"
    else:
        fields["Upload-Length"] = str(upload.length)
    if upload.metadata:
        fields["Upload-Metadata"] = upload.metadata
    if upload.concat:
        fields["Upload-Concat"] = _as_sent(upload.concat, base)
    return fields


def expires(until: datetime | None) -> dict[str, str]:
    """Section "Expiration": the end of an upload that waits for more (policies.reachable_until); a complete one does not expire."""
    return {} if until is None else {"Upload-Expires": http_date(until)}


def capabilities(max_size: int) -> dict[str, str]:
    """Section "OPTIONS"."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_size),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def http_date(at: datetime) -> str:
    """RFC 9110 section 5.6.7."""
    return format_datetime(at, usegmt=True)


def _announced_length(meta: dict, *, final: bool) -> int | None:
    deferred, length = meta.get("HTTP_UPLOAD_DEFER_LENGTH"), meta.get("HTTP_UPLOAD_LENGTH")
    if final:
        if length is not None or deferred is not None:
            raise errors.RequestMalformed
        return None
    if (deferred is None) == (length is None) or deferred not in (None, "1"):
        raise errors.RequestMalformed
    return None if length is None else number(length)


def _metadata(header: str) -> dict[str, bytes]:
    """Section "Upload-Metadata". Raises RequestMalformed."""
    found: dict[str, bytes] = {}
    for pair in header.split(",") if header else ():
        match = _PAIR.fullmatch(pair.strip(" "))
        if match is None or match["key"] in found:
            raise errors.RequestMalformed
        found[match["key"]] = _decoded(match["value"] or "")
    return found


def _decoded(value: str) -> bytes:
    """Raises RequestMalformed unless it is Base64 (RFC 4648, section 4)."""
    if len(value) % 4:
        raise errors.RequestMalformed  # Python takes one sign of padding too many
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as exc:
        raise errors.RequestMalformed from exc


def _content_type(meta: dict) -> str:
    return meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
