"""The digest of what an upload holds already.

Ordinarily it comes from the saved state and costs nothing. Where that is lost or of another make, the prefix is read back
by a thread of its own while the next bytes come in, which the digest takes up behind it, from the file as well.
"""

import contextlib
import logging
import threading

from services_app.store.digest import Digest, Sha256
from services_app.store.errors import StoreUnavailable
from services_app.store.staged import StagedFile
from services_app.uploads.models import Upload

from . import buffers

log = logging.getLogger("sluice.uploads")


def digest_of(
    upload: Upload, staged: StagedFile, state: bytes | None, kind: type[Digest] = Sha256
) -> "Digest | FollowingDigest":
    """A digest that stands at the upload's offset, or will by the time that it is asked. `state` is what was saved of it."""
    if upload.offset == 0:
        return kind()
    try:
        return kind(bytes(state or b""))
    except ValueError:
        log.warning("digest state lost", extra={"upload_id": upload.id, "offset": upload.offset})
        return FollowingDigest(staged, kind)


class FollowingDigest:
    """Reads what was written, in order, until it has caught up with the writer. The same face as Digest."""

    def __init__(self, staged: StagedFile, kind: type[Digest] = Sha256):
        self._staged, self._digest, self._read = staged, kind(), 0
        self._lock = threading.Lock()
        with contextlib.suppress(RuntimeError):  # no more threads: whoever asks for the digest reads all of it
            threading.Thread(target=self._follow, args=(staged.size,), name="sluice-prefix", daemon=True).start()

    def update(self, data: memoryview) -> None:
        """The bytes are read back from the file instead, once it is their turn."""

    def state(self) -> bytes:
        """Nothing before it has caught up: what came is promised without waiting for the prefix to be read."""
        if not self._lock.acquire(blocking=False):
            return b""
        try:
            return self._digest.state() if self._read == self._staged.size else b""
        finally:
            self._lock.release()

    def hexdigest(self) -> str:
        self._catch_up()
        return self._digest.hexdigest()

    def _follow(self, until: int) -> None:
        try:
            self._read_up_to(until)
        except StoreUnavailable:
            # Whoever asks for the digest reads on, and meets the fault itself.
            log.warning("prefix unreadable", exc_info=True)

    def _catch_up(self) -> None:
        self._read_up_to(self._staged.size)

    def _read_up_to(self, size: int) -> None:
        with self._lock, buffers.wiped(1 << 20) as buffer:
            while self._read < size:
                count = self._staged.read(buffer[: size - self._read], self._read)
                if count == 0:
                    raise StoreUnavailable
                self._digest.update(buffer[:count])
                self._read += count
