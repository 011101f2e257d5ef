"""The sidecar beside each object, so that the NAS explains itself without the database."""

import logging
from functools import partial

from services_app.store.current import current_store
from services_app.uploads import actions
from services_app.uploads.models import Upload
from services_app.uploads.wire import afterwards

log = logging.getLogger("sluice.uploads")


def write_afterwards(upload: Upload) -> None:
    """`write`, behind the answer to the request that committed it: what it tells stands in the database and in the receipt."""
    afterwards.do(partial(write, upload))


def write(upload: Upload) -> bool:
    """Put the sidecar beside a committed object. A failure is logged and healed by `recover`: the object is safe."""
    try:
        current_store().write_manifest(actions.object_name(upload), content(upload))
    except Exception:  # whatever it was: its receipt is signed
        log.error("manifest missing", extra={"upload_id": upload.id}, exc_info=True)
        return False
    return True


def content(upload: Upload) -> dict:
    """What the sidecar says. `unpacks`, of a folder alone: its files are to lie beside it, so that this is known without a database."""
    unpacks = {} if actions.unpacking_of(upload) is None else {"unpacks": True}
    return {
        "upload_id": str(upload.id),
        "grant": str(upload.grant_id),
        "collection": upload.grant.collection,
        "name": upload.safe_name,
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "stored_at": actions.rfc3339(upload.durable_at),
        "receipt": upload.receipt,
        **unpacks,
    }
