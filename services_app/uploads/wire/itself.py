"""Is this body the file itself? Asked before a byte of it is taken, at nginx's question as in the views.

A receipt says that these bytes are the file. So a body that by its headers is a part of the file, is wrapped into something
or is coded is refused, and nothing of it is stored; envelopes.py asks its first bytes besides. ADR 0014 gives the reason for
each. One part is welcome: the rest of a file, by `PUT` with Content-Range, as `curl -C OFFSET -T FILE` sends it.
"""

import re
from dataclasses import dataclass

from services_app.uploads.errors import (
    CodingRefused,
    EnvelopeRefused,
    InconsistentLength,
    PartialBody,
    PreconditionFailed,
)
from services_app.uploads.protocols import ietf, tus

from . import headers

# RFC 9110 section 14.4, of which only the form that names everything says enough.
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.ASCII | re.IGNORECASE)

# What holds a file and other things around it (RFC 2046 section 5.1 and 5.2 for the first two).
_WRAPPING_FAMILIES = ("multipart", "message")
_FORM_TYPE = "application/x-www-form-urlencoded"
_WRAPPING_TYPES = ("application/http", _FORM_TYPE)
# What changes a file or adds to one, where a whole one is meant.
_PART_TYPES = (tus.BODY_TYPE, ietf.BODY_TYPE)
_CHANGE_TYPE = "application/x-sabredav-partialupdate"
_PATCH_TYPE = re.compile(r"application/(?:[a-z0-9.]+-)*patch(?:\+[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Rest:
    """From `offset` to the end of a file of `length` bytes."""

    offset: int
    length: int


def check(method: str, meta: dict) -> Rest | None:
    """The Rest that this body is, or None for what it should be otherwise: the whole file, the first bytes of one, or what one
    of the protocols appends.

    Raises EnvelopeRefused, CodingRefused, PreconditionFailed, PartialBody or InconsistentLength, LengthRequired or RequestMalformed.
    """
    types = _types(meta)
    if any(_is_wrapping(kind, meta) for kind in types):
        raise EnvelopeRefused
    codings = {coding.strip(" \t").lower() for coding in meta.get("HTTP_CONTENT_ENCODING", "").split(",")}
    # nginx folds what other products say into one header (maps/foreign-bodies.conf).
    others = meta.get("HTTP_X_UPLOAD_BODY", "")
    if codings - {"", "identity"} or others == "coded":
        raise CodingRefused
    if others == "unmatched":
        raise PreconditionFailed
    if others or _is_segment(meta) or (method != "PATCH" and "HTTP_UPLOAD_OFFSET" in meta and ietf.number(meta, "HTTP_UPLOAD_OFFSET") != 0):
        raise PartialBody
    complete = ietf.completeness(meta)
    if method == "PUT" and (complete is None or "HTTP_TUS_RESUMABLE" in meta):
        will_follow = complete is False or "HTTP_UPLOAD_DEFER_LENGTH" in meta or "HTTP_UPLOAD_CONCAT" in meta
        if will_follow or any(_is_part(kind) for kind in types):
            raise PartialBody
        return _rest(meta)
    if "HTTP_CONTENT_RANGE" in meta:
        raise PartialBody
    if method != "PATCH":
        _check_creation(meta)
    return None


def of_put(meta: dict) -> dict:
    """The headers of the PUT that `/check` asks about, whose body would be as long as Upload-Length says.

    Raises what that PUT would meet for them; PartialBody for a rest as well: GET tells where one goes on.
    """
    put = {name: value for name, value in meta.items() if name != "HTTP_TRANSFER_ENCODING"}
    put["CONTENT_LENGTH"] = str(headers.whole_number(meta.get("HTTP_UPLOAD_LENGTH", "")))
    if ietf.is_spoken(put):
        ietf.check_mark(put)
    if check("PUT", put) is not None:
        raise PartialBody
    return put


def whole_length(meta: dict) -> int | None:
    """Bytes of the whole file that a plain PUT brings or ends, None where nothing tells.

    Raises PartialBody or InconsistentLength where two lengths differ, LengthRequired or RequestMalformed.
    """
    found = totals(meta)
    if "HTTP_UPLOAD_LENGTH" in meta:
        found.add(headers.whole_number(meta["HTTP_UPLOAD_LENGTH"]))
    sent = headers.body_length(meta.get("CONTENT_LENGTH", ""), meta.get("HTTP_TRANSFER_ENCODING", ""))
    if "HTTP_CONTENT_RANGE" in meta:
        first, last, length = _range(meta["HTTP_CONTENT_RANGE"])
        if not first <= last == length - 1 or sent not in (None, length - first):
            raise PartialBody
        found.add(length)
    elif sent is not None:
        found.add(sent)
    if len(found) > 1:
        # Beside a chunked body each is a length to be reached, and says nothing of what comes.
        raise PartialBody if sent is not None or "HTTP_CONTENT_RANGE" in meta else InconsistentLength
    return found.pop() if found else None


def _check_creation(meta: dict) -> None:
    """Of a creation in the words of a protocol: do other products' words contradict them, or those of the one the other's?"""
    is_draft = ietf.is_spoken(meta)
    if "HTTP_UPLOAD_CONCAT" in meta:
        if is_draft:
            raise PartialBody  # it knows no parts: what tus calls one would be a file
        return  # a part has a length of its own
    if is_draft and any(_is_change(kind) for kind in _types(meta)):
        raise PartialBody
    if not totals(meta):
        return
    length = None
    if is_draft:
        length = ietf.total_length(meta, 0)
    elif "HTTP_UPLOAD_LENGTH" in meta:
        length = tus.number(meta["HTTP_UPLOAD_LENGTH"])
    check_totals(meta, length)


def check_totals(meta: dict, *known: int | None) -> None:
    """Raises InconsistentLength where other products' words name another length than is `known`, or than each other."""
    if (named := totals(meta)) and len((named | set(known)) - {None}) > 1:
        raise InconsistentLength


def totals(meta: dict) -> set[int]:
    """How long other products say that the whole is (maps/foreign-bodies.conf). Raises RequestMalformed."""
    return set(map(headers.whole_number, meta.get("HTTP_X_UPLOAD_TOTALS", "").split()))


def _rest(meta: dict) -> Rest | None:
    length = whole_length(meta)
    first = _range(meta["HTTP_CONTENT_RANGE"])[0] if "HTTP_CONTENT_RANGE" in meta else 0
    return Rest(first, length) if first else None


def _range(field: str) -> tuple[int, ...]:
    match = _RANGE.fullmatch(field)
    if match is None:
        raise PartialBody
    return tuple(map(int, match.groups()))


def _types(meta: dict) -> list[str]:
    """A list only where a sender names several."""
    return [kind.partition(";")[0].strip().lower() for kind in meta.get("CONTENT_TYPE", "").split(",")]


def _is_wrapping(kind: str, meta: dict) -> bool:
    # A form of nothing is how curl sends no body at all (`--data ''`).
    if kind == _FORM_TYPE and meta.get("CONTENT_LENGTH", "") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in meta:
        return False
    return kind.partition("/")[0] in _WRAPPING_FAMILIES or kind in _WRAPPING_TYPES


def _is_segment(meta: dict) -> bool:
    """SWORD 3.0: a file that is sent in segments says so where others say its name."""
    return meta.get("HTTP_CONTENT_DISPOSITION", "").partition(";")[0].strip(" \t").lower() in ("segment", "segment-init")


def _is_part(kind: str) -> bool:
    return kind in _PART_TYPES or _is_change(kind)


def _is_change(kind: str) -> bool:
    return kind == _CHANGE_TYPE or _PATCH_TYPE.fullmatch(kind) is not None
