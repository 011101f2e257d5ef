"""What became of an upload whose request vanished (process killed, power lost)? Decided from what lies on the NAS.

receiving   → aborted: the staged bytes are removed, the grant is free again
committing  → committed, when the object stands under its final name, or its staged bytes are whole and can be published
            → aborted otherwise
"""

import logging
import uuid

from django.utils import timezone

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown, StoreError, StoreUncertain

from . import actions, errors, leases, manifest
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
    """Running uploads that no request holds any more; `of` narrows them down."""
    now, running = timezone.now(), Upload.objects.select_related("grant").filter(state__in=RUNNING, **of)
    return [upload for upload in running if leases.is_abandoned(upload, now)]


def settle(upload: Upload) -> State | None:
    """Bring one stale upload to its end; return its state, or None when somebody else did. Raises StoreUnavailable."""
    if not actions.take_over(upload):
        return None
    try:
        if upload.state == State.COMMITTING and _is_published(upload):
            actions.complete(upload)
            manifest.write(upload)
        else:
            current_store().discard(upload.id)
            actions.abort(upload, errors.BodyCutOff.code)
    except actions.LeaseLost:
        return None
    except StoreError as exc:
        actions.release(upload)
        raise errors.of_store(exc) from exc
    log.info("settled", extra={"upload_id": upload.id, "state": upload.state})
    return upload.state


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
