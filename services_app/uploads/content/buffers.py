"""Room for bytes that pass through, and nothing of them behind it."""

import contextlib
import mmap
from collections.abc import Iterator


@contextlib.contextmanager
def wiped(size: int) -> Iterator[memoryview]:
    """A buffer of `size` bytes whose pages are given back, and hold nothing any more, when the block ends, however it ends: also
    where a traceback keeps the buffer itself alive. It is mapped, not filled, so that little is touched for little; and it is in no
    core dump.
    """
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    room.madvise(mmap.MADV_DONTDUMP)
    try:
        yield memoryview(room)
    finally:
        room.madvise(mmap.MADV_DONTNEED)  # of private memory: the next look finds zeros
