import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A time-ordered id, RFC 9562 section 5.7: 48 bits of milliseconds, 12 of their fraction (section 6.2, method 3), random.

    Two that one process makes after one another sort in that order: "oldest first" means it.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    value = milliseconds << 80 | 0x7 << 76 | (rest * 4096 // 1_000_000) << 64 | int.from_bytes(os.urandom(8), "big")
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
