"""How an upload looks from outside: JSON for the page and for web_app, header fields for the protocols."""

import contextlib
import uuid

from services_app.store.current import current_store
from services_app.store.errors import StoreError

from . import actions, errors, recover
from .models import Grant, Upload
from .states import State


def settle(grant_id: uuid.UUID) -> None:
    """Whoever asks after a crash learns whether the file is safe, so what it left behind is settled first."""
    recover.settle_stale_uploads_of(grant_id)  # what could not be settled is still shown as running


def grant(grant_id: uuid.UUID) -> dict:
    """A grant's state as docs/upload-api.md shows it; a grant that was never used is `unused`."""
    settle(grant_id)
    uploads = list(Upload.objects.filter(grant_id=grant_id).order_by("id"))
    refusal = Grant.objects.filter(id=grant_id).values_list("last_refusal", flat=True).first()
    return {
        "grant": str(grant_id),
        "state": uploads[-1].state if uploads else "unused",
        "uploads": [one(upload) for upload in uploads],
        "problem": errors.describe(refusal or "", _refused_type(uploads)),
    }


def one(upload: Upload) -> dict:
    """One upload as docs/upload-api.md shows it.

    `offset` is what is safe; `taken` also counts what a running request has brought so far.
    """
    return {
        "upload_id": str(upload.id),
        "state": upload.state,
        "offset": upload.offset,
        "taken": _taken(upload),
        "length": upload.size if upload.size is not None else upload.length,
        "sha256": upload.sha256 or None,
        "media_type": upload.media_type or None,
        "received_at": actions.rfc3339(upload.received_at),
        "durable_at": upload.durable_at and actions.rfc3339(upload.durable_at),
        "expires_at": actions.rfc3339(upload.expires_at) if upload.state == State.WAITING else None,
        "receipt": upload.receipt or None,
        "problem": errors.describe(upload.problem, upload.media_type),
    }


def _refused_type(uploads: list[Upload]) -> str:
    """What the newest of them that was refused for its type was taken for."""
    refused = [each.media_type for each in uploads if each.problem == errors.TypeRefused.code]
    return refused[-1] if refused else ""


def _taken(upload: Upload) -> int:
    if upload.state == State.RECEIVING:
        with contextlib.suppress(StoreError):
            return max(upload.offset, current_store().staged_size(upload.id) or 0)
    return upload.offset
