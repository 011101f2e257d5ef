"""Types that a signature cannot tell: a tar, a DICOM file without its preamble, what is inside a ZIP or a compressed file."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator

from .table import BZIP2, GZIP, INSIDE_ZIP, R_DATA, XZ, ZIP

_MOST_INFLATED = 4 << 20  # bytes of one head, whatever it claims to hold
_LOOKED_AT = 1 << 16  # bytes of one member of a ZIP
_ENTRY = struct.Struct("<4sHHHHHIIIHH")
_ENCRYPTED, _LENGTH_LATER, _IN_ZIP64 = 0x0001, 0x0008, 0xFFFFFFFF

_SHEET, _DOCUMENT, _SLIDES, *_ODF = (each.name for each in INSIDE_ZIP)
# What [Content_Types].xml says of the main part, and the namespaces of the parts themselves: not every program writes that list first.
_PARTS = (
    (b"spreadsheetml.sheet.main+xml", _SHEET),
    (b"wordprocessingml.document.main+xml", _DOCUMENT),
    (b"presentationml.presentation.main+xml", _SLIDES),
)
_MAIN_PARTS = (
    (
        b"xl/",
        (
            b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
            b"http://purl.oclc.org/ooxml/spreadsheetml/main",
        ),
        _SHEET,
    ),
    (
        b"word/",
        (
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        ),
        _DOCUMENT,
    ),
    (
        b"ppt/",
        (
            b"http://schemas.openxmlformats.org/presentationml/2006/main",
            b"http://purl.oclc.org/ooxml/presentationml/main",
        ),
        _SLIDES,
    ),
)
_VR_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_VR = _VR_LONG + (
    *(
        b"AE",
        b"AS",
        b"AT",
        b"CS",
        b"DA",
        b"DS",
        b"DT",
        b"FD",
        b"FL",
        b"IS",
        b"LO",
        b"LT",
        b"PN",
        b"SH",
        b"SL",
        b"SS",
        b"ST",
    ),
    *(b"TM", b"UI", b"UL", b"US"),
)
_TRANSFER_SYNTAX, _DICOM_SYNTAXES = (0x0002, 0x0010), b"1.2.840.10008.1.2"


def refine(name: str, head: bytes) -> str:
    """A narrower type than `name` if what is inside leaves no doubt, else `name`."""
    if name == ZIP.name:
        return _inside_zip(head) or name
    if name in (GZIP.name, BZIP2.name, XZ.name):
        return R_DATA.name if _is_r_data(_first_inside(name, head)) else name
    return name


def is_tar(head: bytes) -> bool:
    """By the check sum of its first header: the sum of its 512 bytes, those of the sum itself counted as blanks (POSIX ustar)."""
    header = head[:512]
    field = header[148:156].strip(b" \x00")
    if len(header) < 512 or not field or any(byte not in b"01234567" for byte in field):
        return False
    return int(field, 8) == sum(header) - sum(header[148:156]) + 8 * ord(" ")


def is_dicom(head: bytes) -> bool:
    """Elements of group 0002 or 0008 in ascending order, at least three (DICOM PS3.5, 7.1), or one that names a transfer syntax
    of DICOM's own: what follows that may be deflated.
    """
    big = head[:2] in (b"\x00\x02", b"\x00\x08")  # the retired byte order: always with the types of values
    order = ">" if big else "<"
    at, last, count = 0, (0, 0), 0
    while at + 8 <= len(head) and count < 8:
        group, element = struct.unpack_from(order + "HH", head, at)
        vr, short = head[at + 4 : at + 6], struct.unpack_from(order + "H", head, at + 6)[0]
        if ((group, element) <= last and count) or (count == 0 and group not in (2, 8)) or group > 0x7FE0:
            return False
        if vr in _VR_LONG and at + 12 <= len(head):
            length, start = struct.unpack_from(order + "I", head, at + 8)[0], at + 12
        elif vr in _VR:
            length, start = short, at + 8
        elif big:
            return False
        else:
            length, start = struct.unpack_from("<I", head, at + 4)[0], at + 8
        if length == 0xFFFFFFFF:  # a sequence of unknown length: nothing more can be followed cheaply
            return count >= 2
        if length % 2 or length > 1 << 20:
            return False
        if (group, element) == _TRANSFER_SYNTAX and head.startswith(_DICOM_SYNTAXES, start):
            return True
        at, last, count = start + length, (group, element), count + 1
    return count >= 3


def _inside_zip(head: bytes) -> str | None:
    for name, content in _members(head):
        if name == b"mimetype":
            said = content.decode("ascii", "replace").strip()
            return said if said in _ODF else None
        if name == b"[Content_Types].xml":
            found = {kind for mark, kind in _PARTS if mark in content}
            return found.pop() if len(found) == 1 else None
        for folder, namespaces, kind in _MAIN_PARTS:
            if name.startswith(folder) and name.endswith(b".xml") and any(each in content for each in namespaces):
                return kind
    return None


def _members(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and beginnings of the members, one after the other as far as the head goes. One is never looked for inside another."""
    at, left = head.find(b"PK\x03\x04"), _MOST_INFLATED
    while 0 <= at <= len(head) - _ENTRY.size:
        mark, _, flags, method, *_, packed, _, name_length, extra_length = _ENTRY.unpack_from(head, at)
        if mark != b"PK\x03\x04" or flags & _ENCRYPTED or method not in (0, zlib.DEFLATED):
            return
        start = at + _ENTRY.size + name_length + extra_length
        name, body = head[at + _ENTRY.size : at + _ENTRY.size + name_length], head[start:]
        is_open = flags & _LENGTH_LATER or packed == _IN_ZIP64  # where it ends, only its own end tells
        if method == zlib.DEFLATED and is_open:
            content, packed, left = _inflated_to_its_end(body, left)
        elif method == zlib.DEFLATED:
            content = _inflated(zlib.decompressobj(-15), body[:packed])
            left -= len(content)
        elif is_open:
            return
        else:
            content = body[: min(packed, _LOOKED_AT)]
        yield name, content
        if packed is None or left <= 0:
            return
        # A descriptor of 12 to 24 bytes may stand behind it.
        at = head.find(b"PK\x03\x04", start + packed, start + packed + 28) if is_open else start + packed


def _inflated_to_its_end(body: bytes, most: int) -> tuple[bytes, int | None, int]:
    """The beginning of a deflated stream, how many bytes it takes (None if it does not end here), and what is left of `most`."""
    stream, content, rest = zlib.decompressobj(-15), b"", body
    try:
        while not stream.eof and rest and most > 0:
            piece = stream.decompress(rest, 1 << 16)
            content, most, rest = content or piece[:_LOOKED_AT], most - len(piece), stream.unconsumed_tail
    except zlib.error:
        return content, None, most
    return content, len(body) - len(stream.unused_data) if stream.eof else None, most


def _inflated(stream, data: bytes) -> bytes:
    """The first bytes of compressed data, however it goes on."""
    try:
        return stream.decompress(data, _LOOKED_AT)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
        return b""


def _first_inside(name: str, head: bytes) -> bytes:
    if name == GZIP.name:
        return _inflated(zlib.decompressobj(31), head)
    if name == BZIP2.name:
        return _inflated(bz2.BZ2Decompressor(), head)
    return _inflated(lzma.LZMADecompressor(memlimit=256 << 20), head)


def _is_r_data(content: bytes) -> bool:
    return any(pattern.match(content, offset) for offset, pattern in R_DATA.begins)
