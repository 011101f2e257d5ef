"""What became of an upload whose request vanished (process killed, power lost)? Decided from what lies on the NAS.

receiving   → waiting, at the last checkpoint; aborted, when staging holds less than that
committing  → committed, when the object stands under its final name, or its staged bytes are whole and can be published
            → aborted otherwise
waiting     → aborted, when its sender has not come back in time
"""

import logging
import uuid

from django.utils import timezone

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown, StagedBytesLost, StoreError, StoreUncertain

from . import actions, errors, leases, manifest, writers
from .models import Upload
from .states import RUNNING, State

log = logging.getLogger("sluice.recover")


def settle_stale_uploads_of(grant_id: uuid.UUID) -> None:
    """Settle what nobody holds any more under this grant, so that the next request finds the truth.

    Raises the Problem StoreUnavailable.
    """
    for upload in stale_uploads(grant_id=grant_id):
        settle(upload)


def stale_uploads(**of) -> list[Upload]:
    """Running uploads that no request holds any more, and waiting ones that expired; `of` narrows them down."""
    now, uploads = timezone.now(), Upload.objects.select_related("grant").filter(**of)
    running = [upload for upload in uploads.filter(state__in=RUNNING) if leases.is_abandoned(upload, now)]
    return running + list(uploads.filter(state=State.WAITING, expires_at__lte=now))


def has_expired(upload: Upload) -> bool:
    """Whether it waited longer for its sender than it may."""
    return upload.state == State.WAITING and upload.expires_at <= timezone.now()


def settle(upload: Upload) -> State | None:
    """Bring one stale upload to its end; return its state, or None when somebody else did. Raises StoreUnavailable."""
    try:
        if upload.state == State.RECEIVING:
            _settle_request(upload)
        elif upload.state == State.WAITING:
            actions.abort(upload, errors.UploadExpired.code)
            current_store().discard(upload.id)
        else:
            _settle_commit(upload)
    except actions.LeaseLost:
        return None
    except StoreError as exc:
        raise errors.of_store(exc) from exc
    log.info("settled", extra={"upload_id": upload.id, "state": upload.state})
    return upload.state


def _settle_commit(upload: Upload) -> None:
    _take_over(upload)
    try:
        with writers.writing(upload):
            if _is_published(upload):
                actions.complete(upload)
                manifest.write(upload)
            else:
                current_store().discard(upload.id)
                actions.abort(upload, errors.BodyCutOff.code)
    except StoreError:
        actions.release(upload)
        raise


def _settle_request(upload: Upload) -> None:
    """Let the sender go on at the last checkpoint.

    A request that lost its lease in a process that may still run can wake up in a write. From the moment that its
    generation is over it promises nothing more; then its bytes are moved to another file, out of its reach.
    """
    may_wake_up = not leases.is_gone(upload.owner)
    _take_over(upload)
    try:
        with writers.writing(upload):
            if may_wake_up:
                current_store().reseat(upload.id, upload.offset)
    except StagedBytesLost:
        actions.abort(upload, errors.UploadGone.code)
        return
    except StoreError:
        actions.release(upload)
        raise
    actions.wait(upload, problem=errors.BodyCutOff.code)


def _take_over(upload: Upload) -> None:
    """Make an abandoned upload ours. Raises LeaseLost when its request came back to life or somebody was quicker.

    A request that waits for it with its hand raised stays the next one. The owner stays noted, or a second crash, of
    ours, would hide that the first one may wake up.
    """
    found = {"generation": upload.generation, "contender": upload.contender, "lease_until": upload.lease_until}
    same = Upload.objects.filter(id=upload.id, state=upload.state, **found)
    ours = max(upload.contender, upload.generation + 1)
    if not same.update(generation=ours, contender=ours, lease_until=timezone.now() + leases.LEASE):
        raise actions.LeaseLost
    upload.refresh_from_db()


def _is_published(upload: Upload) -> bool:
    """Whether the object stands under its final name, or now does. Its bytes were durable before `committing`."""
    store = current_store()
    try:
        name = store.publish(upload.id, actions.directory_of(upload), upload.safe_name)
    except ObjectUnknown:
        return False
    if store.size(name) != upload.size:
        raise StoreUncertain
    return True
