"""What does the sender call the file? Read from Content-Disposition or tus's metadata, and made a name that is safe to keep.

Every way in ends in `_safe`, so that one file gets one name whichever protocol brought it. Nothing here ever raises: what cannot
be decoded is kept as it was written.
"""

import base64
import binascii
import codecs
import encodings
import pkgutil
import re
from urllib.parse import unquote_to_bytes

from services_app.store.paths import safe_name

# RFC 6266 section 4.1, and what senders make of it: unquoted names with spaces, quotes that never close.
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')  # only these two: a plain backslash may well be one of the name's own
_EXTENDED = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)  # RFC 8187 section 3.2.1
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WESTERN = "cp1252"  # ISO-8859-1 as its senders mean it: with quotes and dashes where the standard has controls
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": _WESTERN}

# RFC 2047 section 2; white space between two of them is none of the text's (section 6.2).
_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([BbQq])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7"}  # codecs that read more than characters
# Python remembers for ever each other name that it was asked for.
_KNOWN = {*encodings.aliases.aliases, *(module.name for module in pkgutil.iter_modules(encodings.__path__))}


def from_disposition(field: str) -> str:
    """The safe name in a Content-Disposition (RFC 6266). `filename*` comes before `filename` unless it is broken."""
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(field):
        parameters.setdefault(name.lower(), _ESCAPED.sub(r"\1", quoted) if quoted else plain.strip().strip('"'))
    plain, extended = parameters.get("filename", ""), parameters.get("filename*", "")
    name = _extended(extended)
    if name is not None:
        return safe_name(name)
    return _safe(_bytes(plain) or unquote_to_bytes(_bytes(extended.split("'", 2)[-1])))


def from_metadata(filename: bytes) -> str:
    """The safe name in the `filename` of tus's Upload-Metadata."""
    return _safe(filename)


def _safe(raw: bytes) -> str:
    return safe_name(_words(_text(raw)))


def _text(raw: bytes) -> str:
    """UTF-8, or what senders of no UTF-8 mean."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(_WESTERN, "replace")


def _extended(value: str) -> str | None:
    """RFC 8187: a charset, a language, percent-encoded bytes. None for what is none of that, or broken."""
    match = _EXTENDED.fullmatch(value)
    charset = match and _CHARSETS.get(match[1].strip().lower())
    if charset is None or _BROKEN_PERCENT.search(match[2]):
        return None
    try:
        return unquote_to_bytes(_bytes(match[2])).decode(charset)
    except UnicodeDecodeError:
        return None


def _bytes(text: str) -> bytes:
    """As they stood in the header: WSGI hands them over as latin-1."""
    return text.encode("latin-1", "replace")


def _words(text: str) -> str:
    """RFC 2047 is for mail, but mail programs' libraries write it into HTTP too."""
    runs: list[str | tuple[str, bytes]] = []
    text, end = _BETWEEN_WORDS.sub("", text), 0
    for match in _WORD.finditer(text):
        word = _word(*match.groups())
        if word is None:
            continue
        if match.start() > end:
            runs.append(text[end : match.start()])
        # A character may be cut in two by the end of a word.
        if runs and isinstance(runs[-1], tuple) and runs[-1][0] == word[0]:
            word = word[0], runs.pop()[1] + word[1]
        runs.append(word)
        end = match.end()
    return "".join(run if isinstance(run, str) else run[1].decode(run[0], "replace") for run in [*runs, text[end:]])


def _word(charset: str, coding: str, encoded: str) -> tuple[str, bytes] | None:
    """(charset, bytes), or None for a word that is broken: it is then shown as it stands."""
    charset = encodings.normalize_encoding(charset).lower()
    if charset not in _KNOWN:
        return None
    try:
        charset = codecs.lookup(charset).name
        if charset in _NO_CHARSETS:
            return None
        if coding in "Bb":
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        else:
            raw = binascii.a2b_qp(encoded, header=True)
        raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return None
    return charset, raw
