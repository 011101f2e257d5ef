"""Clean-up that never changes the answer."""

import contextlib
import logging
import uuid
from collections.abc import Iterator

log = logging.getLogger("sluice.uploads")


@contextlib.contextmanager
def tidying(upload_id: uuid.UUID | None = None) -> Iterator[None]:
    """What fails in this block is logged and left to `recover`: what its request is answered is decided already.

    The first fault ends the block, so steps that do not depend on each other stand in blocks of their own.
    """
    try:
        yield
    except Exception as exc:  # whatever it was
        log.warning("left to recover", extra={"upload_id": upload_id, "fault": type(exc).__name__}, exc_info=True)
