"""Which type of file is this, and does a list take it? Read from the first bytes; what a sender declares is not asked.

Our own table comes first (table.py), then whether it is text (text.py), and libmagic for the rest (ADR 0018): what libmagic
says is a claim, and only the claims that the table names are believed.
"""

import threading

import magic

from . import contents, text
from .table import BINARY, DICOM, EMPTY, LIBMAGIC, PLAIN_MARKS, TAR, TYPES, UNKNOWN, Type

SNIFF_BYTES = 64 * 1024

# Nothing that libmagic says of text is believed, and looking for it cost a third of a second for 64 KiB of lines (ADR 0026).
_BINARY_ONLY = magic.MAGIC_NO_CHECK_TEXT | magic.MAGIC_NO_CHECK_ENCODING | magic.MAGIC_NO_CHECK_TOKENS

_lock = threading.Lock()
_detector: magic.Magic | None = None
_BELIEVED = {name.lower(): each.name for each in LIBMAGIC for name in (each.name, *each.aliases)}
_CANONICAL = {name: each.name for each in TYPES.values() for name in (each.name, *each.aliases)}


def detect(head: bytes) -> str:
    """The media type of content that begins with `head` (its first SNIFF_BYTES, or all of it when it is shorter)."""
    cut = len(head) >= SNIFF_BYTES
    if not head:
        return EMPTY.name
    if found := _marked(PLAIN_MARKS, head):
        return found
    if (clean := text.decoded(head, cut=cut)) is not None:
        return text.kind(clean, cut=cut)
    if found := _marked(BINARY, head):
        return contents.refine(found, head)
    if contents.is_tar(head):
        return TAR.name
    if contents.is_dicom(head):
        return DICOM.name
    if (spotted := text.decoded(head, cut=cut, strays=True)) is not None:
        return text.kind(spotted, cut=cut)
    return _BELIEVED.get(_libmagic(head).lower(), UNKNOWN.name)


def is_allowed(media_type: str, allowed: tuple[str, ...]) -> bool:
    """Whether an allow-list, in lower case, takes this type. An empty list takes all."""
    return not allowed or not named_by(media_type).isdisjoint(allowed)


def named_by(media_type: str) -> set[str]:
    """All that a list may name in order to take this type: itself, what it is within, their aliases and families."""
    names, todo = set(), [_CANONICAL.get(media_type.lower(), media_type.lower())]
    while todo:
        each = TYPES.get(name := todo.pop(), Type(name))
        names |= {name, *each.aliases, name.split("/", 1)[0] + "/*"}
        todo += each.within
    return names


def known() -> set[str]:
    """All that a list may name at all, families included."""
    return {one for name in TYPES for one in named_by(name)}


def _marked(types: tuple[Type, ...], head: bytes) -> str | None:
    for each in types:
        if any(pattern.match(head, offset) for offset, pattern in each.begins):
            return each.name
    return None


def _libmagic(head: bytes) -> str:
    global _detector
    with _lock:
        if _detector is None:
            _detector = magic.Magic(mime=True)
            magic.magic_setflags(_detector.cookie, _detector.flags | _BINARY_ONLY)
        return _detector.from_buffer(head)
