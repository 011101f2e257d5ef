"""The byte path: the bytes of one request, from the wire into staging, and on to the commit when they were the last.

body → count and bound → checksum and SHA-256 → type of the first bytes → staging (write-back begins at once)
     → fsync → offset and digest state saved → answer
     → after the last byte: length and digest agree → fsync → `committing` → publish → fsync folder → ledger and receipt → answer
     → manifest

The folder of the object is made before the last request's first byte, so that four waits for a disk stand before the answer.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from django.db import Error

from services_app.config import connections
from services_app.metrics import counted
from services_app.store.current import current_store
from services_app.store.digest import Sha512
from services_app.store.place import Place
from services_app.store.staged import StagedFile
from services_app.tokens.claims import Claims
from services_app.uploads import actions, errors, filled, outage, policies, unpacker
from services_app.uploads.models import Protocol, Unpacking, Upload
from services_app.uploads.ownership import writers
from services_app.uploads.states import State
from services_app.uploads.tidy import tidying
from services_app.uploads.wire import afterwards, digests
from services_app.uploads.wire.body import RequestBody
from services_app.uploads.wire.digests import Check

from . import buffers, ends, envelopes, folder, judging, manifest, media, prefix
from .ends import Fate

log = logging.getLogger("sluice.uploads")

# One buffer a request, of which a slow sender touches only the first pages.
BUFFER_BYTES = 1 << 20
CHECKPOINT_EVERY = 5.0  # seconds: what a killed process may lose
PROGRESS_EVERY = 10_000_000  # bytes
ROOM_EVERY = 64 << 20  # bytes of unknown number after which it is looked whether there is room for more

for known in Protocol:
    counted.received_bytes.labels(known)
    counted.append_seconds.labels(known)


@dataclass(frozen=True, slots=True)
class Append:
    """What one request adds. `final`: with its last byte the upload is complete, whatever length was announced. `by_length`: its
    protocol knows no other end than the length, so that counts whoever began the upload.

    `checksums` are the digests that this body must have, `whole` those that the whole must have: of a creation (`creating`) the
    file, of an append all that is there after it. The problems are how its protocol puts it that there are fewer or more bytes than
    announced, or more than any upload may have here.
    """

    final: bool = False
    by_length: bool = False
    checksums: tuple[Check, ...] = ()
    whole: tuple[Check, ...] = ()
    creating: bool = False
    short_problem: type[errors.Problem] = errors.LengthNotReached
    excess_problem: type[errors.Problem] = errors.LengthDiffers
    limit_problem: type[errors.TooLarge] = errors.TooLarge

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
        self.last_byte_at = time.monotonic()  # or when it was clear that none would come
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

    def is_all(self, append: Append) -> bool:
        """Whether all bytes are there that the upload can have."""
        return self.upload.is_all(self.staged.size, by_length=append.by_length)

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
    with writers.writing(upload, body.connection, claims) as writer:
        try:
            _store(upload, body, claims, append, writer)
        except BaseException as exc:
            was_receiving = upload.state == State.RECEIVING
            told = ends.meet(upload, exc, received=body.received, is_new=append.creating)
            told = _told_from_outside(upload, writer, ends.of(exc).receiving, was_receiving) or told
            if told is exc:
                raise
            raise told from exc
    extra = {"upload_id": upload.id, "offset": upload.offset, "received": upload.offset - begun_at}
    log.info("committed" if upload.receipt else "appended", extra=extra | {"media_type": upload.media_type})


def _told_from_outside(upload: Upload, writer: writers.Writer, fate: Fate, was_receiving: bool) -> Exception | None:
    """What is told where it was not the sender or the store that ended a request."""
    if was_receiving and fate in (Fate.KEPT, Fate.THEIRS):
        with tidying(upload.id):
            if refusal := writer.refusal or writers.look_for_refusal(writer):
                ends.discard_aborted(upload.id)
                return refusal
    # Cut off by a newer request, or by itself at that moment: the newer one goes on.
    return errors.UploadInProgress() if writer.superseded and fate is Fate.KEPT else None


def _store(upload: Upload, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer) -> None:
    store = current_store()
    with (
        counted.timed(counted.append_seconds.labels(upload.protocol)),
        store.stage(upload.id, upload.offset) as staged,
        _place_of(upload, staged, is_last=_is_last(upload, body, append)) as made,
    ):
        running = _Running(upload, staged, is_proved=not append.is_held_back)
        try:
            _take(running, body, claims, append, writer)
            complete = _complete(running, claims, append)
        except BaseException as exc:
            if ends.of(exc).receiving is not Fate.KEPT or not running.is_proved:
                raise
            if not running.is_all(append):
                running.save(length=not isinstance(exc, errors.AppendTooLarge))  # what fails here is the end that counts
                raise
            if isinstance(exc, errors.AppendTooLarge):
                raise  # it may be another file: the last byte is not promised, so that a sender which comes again decides
            # Nothing can be missing behind the last byte, and nobody would come back for the rest.
            complete = _complete(running, claims, append)
    if complete:
        commit(upload, made)
        counted.tail_seconds.observe(time.monotonic() - running.last_byte_at)


@contextlib.contextmanager
def _place_of(upload: Upload, staged: StagedFile, *, is_last: bool) -> Iterator[Place | None]:
    """The object's folder, made ahead of the bytes for a request that may be the last; it goes again where the commit does not begin."""
    if not is_last:
        yield None
        return
    directory = actions.directory_of(upload)
    try:
        yield current_store().make_place(staged, directory, partial(filled.month_is_new, upload))
    finally:
        if upload.state != State.COMMITTING:
            current_store().remove_place(staged, directory)


def _is_last(upload: Upload, body: RequestBody, append: Append) -> bool:
    """Whether the commit may follow this request, as far as can be known before its first byte."""
    if body.length is None or append.final:
        return upload.concat != "partial"
    return upload.is_all(upload.offset + body.length, by_length=append.by_length)


def _complete(running: _Running, claims: Claims, append: Append) -> bool:
    """Whether the whole is there, durable and as announced. Otherwise the upload waits for more."""
    upload, staged = running.upload, running.staged
    if upload.concat == "partial" or not (append.final or running.is_all(append)):
        running.save_and_wait()
        return False
    if append.final and upload.length is not None and staged.size < upload.length:
        raise append.short_problem
    if staged.size == 0 and actions.displaces(upload):
        raise errors.NothingCame
    sha256 = running.digest.hexdigest()
    try:
        media_type, unpacks = check_whole(upload, claims, staged, running.media_type, sha256)
        if others := running.differing(append.whole if append.creating else running.announced()):
            raise errors.DigestDiffers(*others)
    except errors.DigestDiffers as exc:
        # What was promised stays, and the rest may be sent again: only where all was promised nothing can put it right.
        if append.creating or staged.size == upload.offset:
            raise
        raise errors.LastBytesDiffer(*exc.mismatched) from exc
    staged.finish()
    facts = {"size": staged.size, "sha256": sha256, "media_type": media_type, "staged_as": staged.told_apart()}
    actions.begin_commit(upload, **facts, unpacks=unpacks)
    return True


@counted.timed(counted.commit_seconds)
def commit(upload: Upload, made: Place | None = None) -> None:
    """Publish an upload in state `committing`; `made` is its folder where this request made it. Once it may be visible it is never
    aborted, whatever this raises (ends.py): the grant would allow a second object.
    """
    store, folder = current_store(), actions.directory_of(upload)
    connections.give_back()  # a store that stalls must not hold what others need to renew their leases
    name = store.publish(upload.id, folder, upload.safe_name, upload.size, made, partial(filled.month_is_new, upload))
    actions.complete(upload, name)
    with tidying(upload.id):
        store.discard(upload.id)
    manifest.write_afterwards(upload)
    afterwards.do(unpacker.look)


def _take(running: _Running, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer) -> None:
    """Bring the whole body into staging."""
    with buffers.wiped(BUFFER_BYTES) as buffer:
        _take_through(buffer, running, body, claims, append, writer)


def _take_through(
    buffer: memoryview, running: _Running, body: RequestBody, claims: Claims, append: Append, writer: writers.Writer
) -> None:
    staged, upload = running.staged, running.upload
    limit = policies.most_bytes(claims, upload)
    received = counted.received_bytes.labels(upload.protocol)
    checksums = digests.Running(append.checksums)
    if body.length is not None:
        staged.expect(body.length)
    save_at, log_at, look_at = time.monotonic() + CHECKPOINT_EVERY, PROGRESS_EVERY, staged.size
    while count := body.fill(buffer):
        running.last_byte_at = time.monotonic()
        received.inc(count)
        if stopping := writer.superseded:
            actions.keep_lease(upload)  # still ours: what came before the newer request is kept
        if staged.size + count > limit:
            raise append.limit_problem(policies.size_limit(claims)) if upload.length is None else append.excess_problem
        if staged.size + count > upload.spoken_for:
            # Parts of a concatenation share what their grant allows: none of them speaks for what it may not need.
            actions.speak_for(upload, claims, staged.size + count, ahead=0 if upload.concat == "partial" else ROOM_EVERY)
        if upload.length is None and staged.size + count > look_at:
            policies.check_room_left(upload)
            look_at = staged.size + ROOM_EVERY
        chunk = buffer[:count]
        running.update(chunk)
        checksums.update(chunk)
        staged.write(chunk)
        if not running.media_type and staged.size >= media.SNIFF_BYTES:
            running.media_type = _accepted_type(upload, claims, staged)
        # Bytes under a digest are not promised before it was compared, and the last one not before the commit has begun: a sender
        # that is told of it asks no more.
        if running.is_proved and time.monotonic() >= save_at and staged.size != upload.length:
            running.save_if_possible()
            save_at = time.monotonic() + CHECKPOINT_EVERY
        if body.received >= log_at:
            log.debug("progress", extra={"upload_id": upload.id, "received": body.received})
            log_at = body.received + PROGRESS_EVERY
        if stopping and body.received != body.length:
            raise errors.BodyCutOff
    if others := checksums.differing():
        raise errors.of_differing(others)
    if not append.creating and (others := running.differing(append.whole)):
        raise errors.LastBytesDiffer(*others)
    running.is_proved = True


def check_whole(upload: Upload, claims: Claims, staged: StagedFile, media_type: str, sha256: str) -> tuple[str, bool]:
    """All bytes are there: are they what was announced? Returns the media type, and whether they are a folder that is to be unpacked.

    Raises LengthDiffers, TypeRefused, DigestDiffers or FolderRefused.
    """
    if {upload.length, claims.length} - {None, staged.size}:
        raise errors.LengthDiffers
    media_type = media_type or _accepted_type(upload, claims, staged)
    if claims.sha256 not in (None, sha256):
        raise errors.DigestDiffers
    is_folder = folder.check(staged.read, staged.size, partial(judging.turn_of, upload.grant.sub))
    return media_type, is_folder and claims.unpack_folders and media_type == Unpacking.MEDIA_TYPE


def _accepted_type(upload: Upload, claims: Claims, staged: StagedFile) -> str:
    with buffers.wiped(media.SNIFF_BYTES) as head:
        first = bytes(head[: staged.read(head, 0)])
    with judging.turn_of(upload.grant.sub):
        envelopes.check(first)
        media_type = media.detect(first)
    if not media.is_allowed(media_type, claims.media_types):
        actions.keep_type(upload, media_type)
        log.warning("type refused", extra={"upload_id": upload.id, "media_type": media_type})
        raise errors.TypeRefused(media_type)
    return media_type
