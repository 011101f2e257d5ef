"""Which type of file is this? Read from the first bytes by libmagic; what a sender declares is not asked."""

import threading

import magic

SNIFF_BYTES = 64 * 1024

_lock = threading.Lock()
_detector: magic.Magic | None = None


def detect(head: bytes) -> str:
    """The media type of content that begins with `head` (its first SNIFF_BYTES, or all of it when it is shorter)."""
    global _detector
    with _lock:
        if _detector is None:
            _detector = magic.Magic(mime=True)
    return _detector.from_buffer(head)


def is_allowed(media_type: str, allowed: tuple[str, ...]) -> bool:
    """Whether an allow-list of `type/subtype` and `type/*`, in lower case, takes this type. An empty list takes all."""
    media_type = media_type.lower()  # libmagic says video/MP2T
    family = media_type.split("/", 1)[0] + "/*"
    return not allowed or media_type in allowed or family in allowed
