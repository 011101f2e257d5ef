"""Where does a file go, and under which name?

The directory is made of ids that this tier chose; only the last component comes from the sender, and `safe_name` leaves
nothing in it that a file system, a shell listing or a person could misread.
"""

import re
import unicodedata
import uuid
from datetime import datetime

from .errors import ObjectUnknown

MAX_NAME_BYTES = 200  # below the usual 255, so that the manifest's and other suffixes fit beside it
FALLBACK_NAME = "upload"

# Names that Windows clients of the same NAS cannot open.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) ?(?:\..*)?", re.IGNORECASE)
# What ends a quoted name or begins something else in a POSIX shell, in cmd or PowerShell (to which curled quotes are quotes),
# and what Windows forbids. Brackets and parentheses stay: people number copies with them, and alone they start nothing.
_SPECIAL = frozenset("\"'`$;&!<>:|?*{}\\" "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
# Beside those that Unicode itself calls forms of / \ and . (NFKC): what its table of confusables gives for the two slashes.
_LIKE_SLASHES = frozenset(
    "\u1735\u2041\u2044\u2215\u2571\u27cb\u29f8\u2cc6\u2f03\u3033\u31d3\U0001d23a"
    "\u2216\u2572\u27cd\u29f5\u29f9\u2f02\u31d4\U0001d20f\U0001d23b"
)
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")  # letters that show nothing, one space wide
_INVISIBLE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\u2028\u2029\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# In front: an option, a home folder, a comment, a file of arguments, a formula where a listing is opened as a table.
_LEADING = re.compile("[-~#@+=\u2010-\u2015\u2212]")
_EXTENSIONS = re.compile(r"(?:\.[A-Za-z0-9]{1,8}){0,2}\.[^.]*\Z")  # .nii.gz, .vcf.gz.tbi
_WINDOWS_PATH = re.compile(r"(?:[A-Za-z]:\\|\\\\).*\\(?P<name>[^\\]*)", re.DOTALL)


def object_directory(collection: str, upload_id: uuid.UUID, at: datetime) -> tuple[str, ...]:
    """Components below `collections/` of the folder that holds one object and its manifest."""
    return collection, f"{at:%Y}", f"{at:%m}", str(upload_id)


def safe_name(name: str) -> str:
    """A name that is one path component of at most MAX_NAME_BYTES bytes of UTF-8.

    Folders before the name are cut off. A backslash is no folder but where the whole is a path of Windows (`C:\\…`, `\\\\host\\…`),
    which old browsers sent and which tells more than a name should. Control, format (among them right-to-left overrides),
    surrogate, private and invisible characters go, and so do leading and trailing dots and spaces. What a shell or a person
    could misread, or Unicode calls a form of that (NFKC: full-width, small), becomes `_`; in front of a name that begins like an
    option there stands one. The extensions survive shortening.
    """
    if match := _WINDOWS_PATH.fullmatch(name):
        name = match["name"]
    name = _INVISIBLE.sub("", name.rsplit("/", 1)[-1])
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    # Only now: two characters may compose that a format character stood between.
    name = unicodedata.normalize("NFC", name)
    name = "".join("_" if _is_misread(c) else c for c in _BLANK.sub(" ", name))
    name = " ".join(name.split()).strip(". ")
    plain = unicodedata.normalize("NFKC", name)
    if _RESERVED.fullmatch(plain) or _LEADING.match(plain) or unicodedata.category(name[:1] or "_")[0] == "M":
        name = f"_{name}"
    return shortened(name, MAX_NAME_BYTES) or FALLBACK_NAME


def _is_misread(c: str) -> bool:
    form = unicodedata.normalize("NFKC", c)
    return c in _LIKE_SLASHES or not _SPECIAL.isdisjoint(form) or (c != "." and not {"/", "."}.isdisjoint(form))


def shortened(name: str, room: int) -> str:
    """A safe name in at most `room` bytes of UTF-8, always the same one; its extensions stay."""
    if len(name.encode()) <= room:
        return name.strip(". ")
    found = _EXTENSIONS.search(name)
    several, last = found[0] if found else "", name[name.rfind(".") :] if found else ""
    extension = next((each for each in (several, last) if len(each.encode()) <= 21 and each != name), "")
    stem, room = name.removesuffix(extension), room - len(extension.encode())
    return (stem.encode()[:room].decode(errors="ignore") + extension).strip(". ")


def checked(name: str) -> str:
    """An object's name as the ledger holds it. Raises ObjectUnknown for anything that could lead elsewhere."""
    parts = name.split("/")
    if len(parts) != 5 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ObjectUnknown
    return name
