"""The byte path: the bytes of one request, from the wire into staging, and on to the commit when they were the last.

body → count and bound → checksum and SHA-256 → type of the first bytes → staging (write-back begins at once)
     → fsync → offset and digest state saved → answer
     → after the last byte: length and digest agree → publish → fsync folder → ledger and receipt → manifest
"""

import logging
import mmap
import time
from dataclasses import dataclass

from django.db import Error

from services_app.config import connections
from services_app.store.current import current_store
from services_app.store.digest import Sha512
from services_app.store.staged import StagedFile
from services_app.tokens.claims import Claims
from services_app.uploads import actions, errors, outage, policies
from services_app.uploads.models import Protocol, Upload
from services_app.uploads.ownership import writers
from services_app.uploads.tidy import tidying
from services_app.uploads.wire import digests
from services_app.uploads.wire.body import RequestBody
from services_app.uploads.wire.digests import Check

from . import ends, envelopes, manifest, media, prefix
from .ends import Fate

log = logging.getLogger("sluice.uploads")

# One buffer a request. It is mapped, not filled: a slow sender touches only its first pages.
BUFFER_BYTES = 1 << 20
CHECKPOINT_EVERY = 5.0  # seconds: what a killed process may lose
PROGRESS_EVERY = 10_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Append:
    """What one request adds. `final`: with its last byte the upload is complete, whatever length was announced.

    `checksums` are the digests that this body must have, `whole` those that the whole must have: of a creation (`creating`) the
    file, of an append all that is there after it. The problems are how its protocol puts it that there are more bytes than
    announced, or than any upload may have here.
    """

    final: bool = False
    checksums: tuple[Check, ...] = ()
    whole: tuple[Check, ...] = ()
    creating: bool = False
    excess_problem: type[errors.Problem] = errors.LengthDiffers
    limit_problem: type[errors.Problem] = errors.TooLarge

    @property
    def is_held_back(self) -> bool:
        """Whether its bytes are promised only once they have agreed with a digest that it brought, and taken back otherwise."""
        return bool(self.checksums or (self.whole and not self.creating))


class _Running:
    """What is known of the upload while its bytes come in: more than is saved, until the next checkpoint."""

    def __init__(self, upload: Upload, staged: StagedFile, *, is_proved: bool):
        """`is_proved`: no digest that this request brought has to agree before its bytes may be promised."""
        self.upload, self.staged, self.is_proved = upload, staged, is_proved
        self.media_type = upload.media_type
        self.digest = prefix.digest_of(upload, staged, upload.digest_state)
        self.sha512 = prefix.digest_of(upload, staged, upload.sha512_state, Sha512) if upload.expected_sha512 else None

    def update(self, chunk: memoryview) -> None:
        """The digests of the whole."""
        self.digest.update(chunk)
        if self.sha512 is not None:
            self.sha512.update(chunk)

    def differing(self, named: tuple[Check, ...]) -> tuple[Check, ...]:
        """Those of the digests that are `named` which are not of what is there."""
        running = {"sha256": self.digest, "sha512": self.sha512}
        return digests.differing(named, {check.kind: bytes.fromhex(running[check.kind].hexdigest()) for check in named})

    def announced(self) -> tuple[Check, ...]:
        """The digests that came with the creation; of an older request nobody knows in which header."""
        kept = (("sha-256", "sha256", self.upload.expected_sha256), ("sha-512", "sha512", self.upload.expected_sha512))
        return tuple(Check("", name, kind, bytes.fromhex(digest)) for name, kind, digest in kept if digest)

    def save(self, *, length: bool = True) -> None:
        """Make everything so far durable, and promise it; a length that came with it only if it is to be believed."""
        safe = self._made_durable()
        if not length:
            del safe["length"]
        actions.checkpoint(self.upload, **safe)

    def save_if_possible(self) -> None:
        """The same on the way. While the database is away nothing new is promised, and the bytes go on coming in."""
        try:
            self.save()
        except Error as exc:
            if not outage.is_of_the_database(exc):
                raise
            log.warning("not promised yet", extra={"upload_id": self.upload.id, "received": self.staged.size}, exc_info=True)

    def save_and_wait(self) -> None:
        """The same at the end of a request, in one transaction with the change of state."""
        actions.wait(self.upload, **self._made_durable())

    def _made_durable(self) -> dict:
        self.staged.checkpoint()
        # The length may have come with these bytes.
        safe = {"offset": self.staged.size, "length": self.upload.length}
        if self.sha512 is not None:
            safe["sha512_state"] = self.sha512.state()
        return {**safe, "digest_state": self.digest.state(), "media_type": self.media_type}


def receive(upload: Upload, body: RequestBody, claims: Claims, append: Append) -> None:
    """Append `body` to an upload that this request holds, and commit it when it is complete.

    Afterwards it is `committed`, or `waiting` for more. Raises a Problem; what each one means for the bytes stands in ends.py.
    """
    begun_at = upload.offset
    with writers.writing(upload, body.connection) as writer:
        try:
            _store(upload, body, claims, append, writer)
        except BaseException as exc:
            told = ends.meet(upload, exc, received=body.received)
            # Cut off by a newer request, or by itself at that moment: the newer one goes on.
            if writer.superseded and ends.of(exc).receiving is Fate.KEPT:
                told = errors.UploadInProgress()
            if told is exc:
                raise
            raise told from exc
    extra = {"upload_id": upload.id, "offset": upload.offset, "received": upload.offset - begun_at}
    log.info("committed" if upload.receipt else "appended", extra=extra | {"media_type": upload.media_type})


def _store(upload: Upload, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer) -> None:
    store = current_store()
    with store.stage(upload.id, upload.offset) as staged:
        running = _Running(upload, staged, is_proved=not append.is_held_back)
        try:
            complete = _complete(running, body, claims, append, writer)
        except BaseException as exc:
            if ends.of(exc).receiving is Fate.KEPT and running.is_proved:
                running.save(
                    length=not isinstance(exc, errors.AppendTooLarge)
                )  # what fails here is the end that counts
            raise
    if complete:
        commit(upload)


def _complete(running: _Running, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer) -> bool:
    """Take the body; whether the whole is there now, durable and as announced. Otherwise the upload waits for more."""
    upload, staged = running.upload, running.staged
    _take(running, body, claims, append, writer)
    # The draft's uploads are complete when their sender says so, all others when their length is reached.
    complete = append.final or (upload.protocol != Protocol.IETF and staged.size == upload.length)
    if upload.concat == "partial" or not complete:
        running.save_and_wait()
        return False
    if append.final and upload.length is not None and staged.size < upload.length:
        raise errors.LengthNotReached
    sha256 = running.digest.hexdigest()
    try:
        media_type = check_whole(upload, claims, staged, running.media_type, sha256)
        if others := running.differing(append.whole if append.creating else running.announced()):
            raise errors.DigestDiffers(*others)
    except errors.DigestDiffers as exc:
        # What was promised stays, and the rest may be sent again: only where all was promised nothing can put it right.
        if append.creating or staged.size == upload.offset:
            raise
        raise errors.LastBytesDiffer(*exc.mismatched) from exc
    staged.finish()
    actions.begin_commit(upload, size=staged.size, sha256=sha256, media_type=media_type)
    return True


def commit(upload: Upload) -> None:
    """Publish an upload in state `committing`. Once it may be visible it is never aborted, whatever this raises (ends.py): the
    grant would allow a second object.
    """
    store, folder = current_store(), actions.directory_of(upload)
    connections.give_back()  # a store that stalls must not hold what others need to renew their leases
    name = store.publish(upload.id, folder, upload.safe_name, upload.size)
    actions.complete(upload, name)
    with tidying(upload.id):
        store.discard(upload.id)
    manifest.write(upload)


def _take(running: _Running, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer) -> None:
    """Bring the whole body into staging."""
    staged, upload = running.staged, running.upload
    limit = policies.most_bytes(claims, upload)
    checksums = digests.Running(append.checksums)
    buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))
    if body.length is not None:
        staged.expect(body.length)
    save_at, log_at = time.monotonic() + CHECKPOINT_EVERY, PROGRESS_EVERY
    while count := body.fill(buffer):
        if stopping := writer.superseded:
            actions.keep_lease(upload)  # still ours: what came before the newer request is kept
        if staged.size + count > limit:
            raise append.limit_problem if upload.length is None else append.excess_problem
        chunk = buffer[:count]
        running.update(chunk)
        checksums.update(chunk)
        staged.write(chunk)
        if not running.media_type and staged.size >= media.SNIFF_BYTES:
            running.media_type = _accepted_type(upload, claims, staged)
        # Bytes under a digest are not promised before it was compared.
        if running.is_proved and time.monotonic() >= save_at:
            running.save_if_possible()
            save_at = time.monotonic() + CHECKPOINT_EVERY
        if body.received >= log_at:
            log.debug("progress", extra={"upload_id": upload.id, "received": body.received})
            log_at = body.received + PROGRESS_EVERY
        if stopping:
            raise errors.BodyCutOff
    if others := checksums.differing():
        raise errors.of_differing(others)
    if not append.creating and (others := running.differing(append.whole)):
        raise errors.LastBytesDiffer(*others)
    running.is_proved = True


def check_whole(upload: Upload, claims: Claims, staged: StagedFile, media_type: str, sha256: str) -> str:
    """All bytes are there: are they what was announced? Returns the media type.

    Raises LengthDiffers, TypeRefused or DigestDiffers.
    """
    if {upload.length, claims.length} - {None, staged.size}:
        raise errors.LengthDiffers
    media_type = media_type or _accepted_type(upload, claims, staged)
    if claims.sha256 not in (None, sha256):
        raise errors.DigestDiffers
    return media_type


def _accepted_type(upload: Upload, claims: Claims, staged: StagedFile) -> str:
    head = memoryview(bytearray(media.SNIFF_BYTES))
    first = bytes(head[: staged.read(head, 0)])
    envelopes.check(first)
    media_type = media.detect(first)
    if not media.is_allowed(media_type, claims.media_types):
        actions.keep_type(upload, media_type)
        log.warning("type refused", extra={"upload_id": upload.id, "media_type": media_type})
        raise errors.TypeRefused(media_type)
    return media_type
