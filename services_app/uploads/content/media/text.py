"""Is it text, and what kind of text? Bytes that decode and hold no control characters are text, whatever they begin with.

All of it takes time that grows with the bytes and no faster; nothing here is nested or tried again.
"""

import codecs
import re
import unicodedata

from . import is_csv, is_json, is_xml
from .table import CSV, FHIR_JSON, JSON, NDJSON, PLAIN, TEXT, TSV

_MARKS = (  # UTF-32 before UTF-16, whose mark it begins with
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The rest of C0 (BEL to CR, and ESC) occurs in honest text: libmagic draws the same line.
_CONTROL = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile(r"[\x80-\xff]")
# How a file ended under CP/M and DOS, and still does where such a program writes it.
_CTRL_Z = re.compile(r"\x1a[\x1a\x00\r\n]*\Z")
# HL7's frames (MLLP): each begins with VT and ends with FS and CR.
_FRAMED, _FRAME_ENDS = "\x0b", re.compile(r"\x1c(?=\r|\Z)")
# What separates words and cells in every script, and what of a text is Latin, a digit, a mark, or one of those that stand in all
# Japanese or Chinese (kana, comma, full stop).
_SEPARATES = re.compile(r"[\t\n\r ,;|]")
_COMMON = re.compile(r"[\t\n\r\x20-\x7e\xa0-\xff\u3000-\u30ff\uff0c]")
_NO_CHARACTERS = {"Cn", "Co", "Cs"}  # unassigned, private, surrogates; no text has those from U+0080 to U+009F either


def decoded(head: bytes, *, cut: bool, strays: bool = False) -> str | None:
    """The text that `head` is, or None. With `cut` more follows, so that its last character may be a part of one.

    A Ctrl-Z at the end is left out. With `strays` a control character here and there is put up with: one, or one in a
    thousand, and left out as well; three quarters must then be ASCII, unless it is Unicode.
    """
    text = _characters(head, cut, most_high=1 / 4 if strays else 1)
    if text is None:
        return None
    if not cut:
        text = _CTRL_Z.sub("", text, count=1)
    if text.startswith(_FRAMED):
        text = _FRAME_ENDS.sub("", text)
    found = len(_CONTROL.findall(text))
    if found and not (strays and found <= _most_strays(text) and found * 8 <= len(text)):
        return None
    return _CONTROL.sub("", text) if found else text


def _most_strays(text: str | bytes) -> int:
    return max(1, len(text) // 1000)


def kind(text: str, *, cut: bool) -> str:
    """The media type of text."""
    text = text.lstrip("\ufeff")
    begun = text.lstrip()
    if begun.startswith(("{", "[")) and (values := is_json.values(begun, cut=cut)):
        if values > 1:
            return NDJSON.name
        return FHIR_JSON.name if is_json.has_member(begun, "resourceType", "[A-Z]") else JSON.name
    if begun.startswith("<") and (found := is_xml.kind(begun, cut=cut)):
        return found
    for each, begins in TEXT:
        if begins.match(begun):
            return each.name
    if delimiter := is_csv.delimiter(text, cut=cut):
        return CSV.name if delimiter != "\t" else TSV.name
    return PLAIN.name


def _characters(head: bytes, cut: bool, most_high: float) -> str | None:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return _decode(head[len(mark) :], encoding, cut)
    if encoding := _unmarked_utf16(head, cut):
        return _decode(head, encoding, cut)
    text = _decode(head, "utf-8", cut)
    if text is not None:
        return text
    # Whichever 8-bit encoding it is, ASCII means the same in it, and nothing else is looked at.
    text = head.decode("latin-1")
    return text if len(_HIGH.findall(text)) <= most_high * len(text) else None


def _decode(data: bytes, encoding: str, cut: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None


def _unmarked_utf16(head: bytes, cut: bool) -> str | None:
    """UTF-16 without its mark: all of it decodes to characters that exist, and a twelfth are those that texts of every script
    hold, with a separator among them; or nine in ten are, with no separator at all. In the other byte order none of that is so.
    ASCII with a stray NUL is none.
    """
    if head.isascii() and len(_CONTROL.findall(head.decode("ascii"))) <= _most_strays(head):
        return None
    for encoding in ("utf-16-le", "utf-16-be") if len(head) >= 8 and b"\x00" in head else ():
        text = _decode(head, encoding, cut) or ""
        common = len(_COMMON.findall(text))
        if (common * 12 >= len(text) and _SEPARATES.search(text)) or common > 0.9 * len(text):
            if not any("\x80" <= each < "\xa0" or unicodedata.category(each) in _NO_CHARACTERS for each in set(text)):
                return encoding
    return None
