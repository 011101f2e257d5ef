"""What became of an upload whose request vanished (process killed, power lost)? Decided from what lies on the NAS.

receiving   → waiting, at the last checkpoint; aborted, when staging holds less than that
committing  → committed, when the object stands under its final name, or its staged bytes are whole and can be published
            → aborted when they are lost; left where something else has that name
waiting     → aborted, when its sender has not come back in time
            → committed, when all its bytes are there: nobody would come back for more. What its token asks for must be known for that
"""

import contextlib
import io
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial

from django.db import connection
from django.db.models import F

from services_app.store.current import current_store
from services_app.store.errors import (
    ObjectExists,
    ObjectUnknown,
    StagedBytesLost,
    StoreError,
    StoreUncertain,
)
from services_app.tokens.claims import Claims

from . import actions, errors, filled, outage
from .content import ends, manifest
from .content.receive import Append, receive
from .models import Upload
from .ownership import leases, writers
from .states import RUNNING, State
from .tidy import tidying
from .wire.body import RequestBody
from .wire.pace import Pace

log = logging.getLogger("sluice.recover")

# What is carried away, or read, while somebody waits for an answer; more is left to a thread, which has a moment to be done in time,
# as where the file system shares the bytes.
_AT_ONCE = 8 << 20  # bytes
_PROMPTLY = 0.3  # seconds

TOLD_EVERY = 60.0  # seconds
_told: dict[uuid.UUID, float] = {}  # by the monotonic clock
_telling = threading.Lock()

_NOBODY_SENDS = Pace(idle_timeout=math.inf, min_rate=0, window=math.inf, deadline=math.inf)


def settle_stale_uploads_of(grant_id: uuid.UUID, claims: Claims | None = None) -> list[errors.Problem]:
    """Settle what nobody holds any more under this grant, so that the next request finds the truth; with its `claims` also commit
    what waits with all its bytes.

    Each by itself; returns why some of them could not be, which is logged. Raises what the database raises.
    """
    failures = [_failure(settle, upload) for upload in stale_uploads(grant_id=grant_id)]
    if claims is not None:
        failures += [_failure(partial(finish, claims=claims), upload) for upload in _all_there(grant_id)]
    return [failure for failure in failures if failure is not None]


def _failure(step: Callable[[Upload], object], upload: Upload) -> errors.Problem | None:
    try:
        step(upload)
        return None
    except Exception as exc:
        if outage.is_of_the_database(exc):
            raise
        _tell(logging.ERROR, upload)
        return exc if isinstance(exc, errors.Problem) else errors.InternalError()


def _tell(level: int, upload: Upload) -> None:
    """Log what is being handled; of one upload once in a while, for its sender may ask every second."""
    now = time.monotonic()
    with _telling:
        for told in [upload_id for upload_id, at in _told.items() if now - at >= TOLD_EVERY]:
            del _told[told]
        if upload.id in _told:
            return
        _told[upload.id] = now
    log.log(level, "not settled", extra={"upload_id": upload.id}, exc_info=True)


def _all_there(grant_id: uuid.UUID) -> list[Upload]:
    uploads = Upload.objects.select_related("grant").filter(grant_id=grant_id, state=State.WAITING, offset=F("length"))
    return [upload for upload in uploads if upload.is_all(upload.offset)]


def finish(upload: Upload, claims: Claims) -> None:
    """Commit an upload that waits with all its bytes, or end it if they are not what was announced. Leaves it to somebody who was
    quicker, and where it stands aside. Raises a Problem that may pass, such as StoreUnavailable.
    """
    if upload.stands_aside or not actions.take_up(upload, upload.contender + 1, contender=upload.contender, generation=upload.generation):
        return
    try:
        receive(upload, RequestBody({"wsgi.input": io.BytesIO()}, 0, _NOBODY_SENDS), claims, Append(final=True))
    except errors.Problem:
        if upload.state != State.ABORTED:
            raise
    finally:
        ends.discard_ended(upload)


def stale_uploads(**of) -> list[Upload]:
    """Running uploads that no request holds any more, and waiting ones that expired; `of` narrows them down."""
    uploads, now = Upload.objects.select_related("grant").filter(**of), leases.now()
    running = [upload for upload in uploads.filter(state__in=RUNNING) if leases.is_abandoned(upload, now)]
    return running + [
        upload for upload in uploads.filter(state=State.WAITING, expires_at__lte=now) if leases.has_expired(upload, now)
    ]


def settle(upload: Upload, *, patiently: bool = False) -> State | None:
    """Bring one stale upload to its end; return its state, or None when somebody else did or a thread is still at it.

    `patiently`: nobody waits for an answer, so that it may take as long as it takes. Raises StoreUnavailable.
    """
    try:
        if upload.state == State.RECEIVING:
            _settle_request(upload, patiently)
        elif upload.state == State.WAITING:
            actions.abort(upload, errors.UploadExpired.code)
            with tidying(upload.id):
                ends.discard(upload)
        else:
            _settle_commit(upload, patiently=patiently)
    except actions.LeaseLost:
        return None
    except StoreError as exc:
        raise errors.StoreUnavailable from exc  # also where it is full: nothing that was promised is lost
    if upload.state in RUNNING:
        return None
    log.info("settled", extra={"upload_id": upload.id, "state": upload.state})
    return upload.state


def cancel_commit(upload: Upload) -> State:
    """End an abandoned upload in `committing` that the store does not publish now, since its sender says so; return its state.

    One that turns out to be published stays. Raises StoreUnavailable, or UploadInProgress when somebody was quicker.
    """
    try:
        if not leases.is_abandoned(upload):
            raise actions.LeaseLost
        _settle_commit(upload, cancelled=True)
    except actions.LeaseLost as exc:
        raise errors.UploadInProgress from exc
    except StoreError as exc:
        raise errors.of_store(exc) from exc
    return upload.state


def _settle_commit(upload: Upload, *, cancelled: bool = False, patiently: bool = False) -> None:
    _take_over(upload)
    otherwise = errors.UploadCancelled if cancelled else errors.UploadGone
    with _released_if_it_fails(upload), writers.writing(upload):
        try:
            name = None if cancelled and _withdrawn(upload) else _published(upload, patiently)
        except ObjectExists:
            # Who takes it away cures that, so what was acknowledged is kept; unless its sender wants no more of it.
            if not cancelled:
                raise
            name = None
        if name is None:
            actions.abort(upload, otherwise.code)
        else:
            actions.complete(upload, name)
        with tidying(upload.id):
            ends.discard(upload)  # what it holds by now stays
        ends.discard_ended(upload)
        if name is not None:
            manifest.write_afterwards(upload)


def _settle_request(upload: Upload, patiently: bool) -> None:
    """Let the sender go on at the last checkpoint (ADR 0017).

    A request that lost its lease in a process that may still run can wake up in a write. From the moment that its
    generation is over it promises nothing more; then its bytes are moved to another file, out of its reach.
    """
    may_wake_up = leases.may_wake_up(upload.owner)
    _take_over(upload)
    if may_wake_up and upload.offset > _AT_ONCE and not patiently:
        _in_a_thread(upload)
    else:
        _bring_back(upload, may_wake_up)


def _bring_back(upload: Upload, may_wake_up: bool) -> None:
    try:
        with _released_if_it_fails(upload), writers.writing(upload):
            _remove_copies(upload)
            if may_wake_up:
                current_store().reseat(upload.id, upload.offset)
            else:
                ends.cut_back(upload)
            actions.wait(upload, problem=errors.BodyCutOff.code)
    except StagedBytesLost:
        actions.abort(upload, errors.UploadGone.code)


def _remove_copies(upload: Upload) -> None:
    """What a try to carry its bytes away left, which did not come to its end: its generation is over as well."""
    for name in current_store().staged_names():
        if name.startswith(f"{upload.id}."):
            current_store().discard_name(name)


def _in_a_thread(upload: Upload) -> None:
    """So that no question waits for gigabytes: until it is done, the upload is held by this process and answered as such."""
    faults = []

    def bring_back():
        try:
            _bring_back(upload, may_wake_up=True)
        except Exception as exc:  # noqa: BLE001  told to who still waits, and logged: whoever asks next tries again
            _tell(logging.WARNING, upload)
            faults.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=bring_back, name="sluice-carry", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:  # no more threads
        with tidying(upload.id):
            actions.release(upload)
        raise errors.Busy from exc
    thread.join(_PROMPTLY)
    if faults:
        raise faults[0]


@contextlib.contextmanager
def _released_if_it_fails(upload: Upload):
    """Whoever comes next may try at once."""
    try:
        yield
    except StagedBytesLost:
        raise
    except Exception:
        with tidying(upload.id):
            actions.release(upload)
        raise


def _take_over(upload: Upload) -> None:
    """Make an abandoned upload ours. Raises LeaseLost when its request came back to life or somebody was quicker.

    A request that waits for it with its hand raised stays the next one. The owner stays noted, or a second crash, of
    ours, would hide that the first one may wake up.
    """
    found = {"generation": upload.generation, "contender": upload.contender, "lease_until": upload.lease_until}
    same = Upload.objects.filter(id=upload.id, state=upload.state, **found)
    ours = max(upload.contender, upload.generation + 1)
    if not same.update(generation=ours, contender=ours, **leases.held()):
        raise actions.LeaseLost
    upload.refresh_from_db()


def _published(upload: Upload, patiently: bool) -> str | None:
    """The object's name, if it stands under it or now does; None when its bytes are lost. They were durable before `committing`.

    Raises ObjectExists when something else has its name, StoreUncertain when that has to be read first.
    """
    store, place = current_store(), (actions.directory_of(upload), upload.safe_name)
    try:
        return store.publish(upload.id, *place, upload.size, is_new=partial(filled.month_is_new, upload))
    except (ObjectUnknown, StagedBytesLost):
        return None
    except ObjectExists:
        if store.staged_size(upload.id) is not None:
            raise
    # Where a name is given by a rename (ADR 0047); else what is staged goes after the ledger entry, and this is a cancellation that died.
    if name := store.is_it(*place, upload.size, upload.staged_as):
        return name
    # Only the content can tell.
    if upload.size > _AT_ONCE and not patiently:
        raise StoreUncertain
    if name := store.found(*place, upload.size, upload.sha256):
        return name
    raise ObjectExists


def _withdrawn(upload: Upload) -> bool:
    """Whether it was taken back from staging, and will never stand under its name."""
    return current_store().withdraw(upload.id, actions.directory_of(upload), upload.safe_name)
