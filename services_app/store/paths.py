"""Where does a file go, and under which name?

The directory is made of ids that this tier chose; only the last component comes from the sender, and `safe_name` leaves
nothing in it that a file system, a shell listing or a person could misread.
"""

import re
import unicodedata
import uuid
from datetime import datetime

MAX_NAME_BYTES = 200  # below the usual 255, so that the manifest's and other suffixes fit beside it
FALLBACK_NAME = "upload"

# Names that Windows clients of the same NAS cannot open.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) ?(?:\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*]')


def object_directory(collection: str, upload_id: uuid.UUID, at: datetime) -> tuple[str, ...]:
    """Components below `collections/` of the folder that holds one object and its manifest."""
    return collection, f"{at:%Y}", f"{at:%m}", str(upload_id)


def safe_name(name: str) -> str:
    """A name that is one path component of at most MAX_NAME_BYTES bytes of UTF-8.

    Folders before the name are cut off, as are control, format (among them right-to-left overrides), surrogate and
    private characters; leading and trailing dots and spaces go; the extension survives shortening.
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029")
    # Only now: two characters may compose that a format character stood between.
    name = unicodedata.normalize("NFC", name)
    name = _FORBIDDEN.sub("_", " ".join(name.split())).strip(". ")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return _shorten(name).strip(". ") or FALLBACK_NAME


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > 20:
        stem, dot, extension = name, "", ""
    room = MAX_NAME_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + extension
