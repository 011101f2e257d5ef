"""A stored file is deleted: into the trash at once, for good after TRASH_DAYS, and back from there until then (ADR 0042).

The store comes first, as in a commit: a row never says that something is stored which is not there.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.store import trash
from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown

from . import actions, filled
from .models import Upload
from .ownership import leases
from .states import State

log = logging.getLogger("sluice.uploads")


def remove(upload: Upload) -> None:
    """Delete a stored file; said again, what is left of it is done. Raises StoreUnavailable."""
    store, name = current_store(), actions.object_name(upload)
    with contextlib.suppress(ObjectUnknown):  # an earlier attempt may have come as far as that
        if settings.TRASH_DAYS:
            trash.put(store, actions.directory_of(upload), name)
        else:
            store.delete(name)
    store.discard_name(str(upload.id))  # a crash behind the ledger entry leaves this second name of the same bytes
    actions.mark_deleted(upload)
    log.info("deleted", extra={"upload_id": upload.id})


def bring_back(upload: Upload) -> None:
    """A file that was deleted is stored again. Raises ObjectUnknown where it is not in the trash any more, ObjectExists or
    StoreUnavailable.
    """
    name = trash.bring_back(current_store(), actions.directory_of(upload), partial(filled.month_is_new, upload))
    if not name:
        raise ObjectUnknown
    if upload.state == State.DELETED:  # else an older database is back, for which it never went
        actions.mark_restored(upload, name)
    log.info("restored", extra={"upload_id": upload.id})


def in_trash() -> Iterator[tuple[uuid.UUID, datetime | None]]:
    """What lies there, and when it was deleted; None where this database does not know that. Raises StoreUnavailable."""
    for text in trash.names(current_store()):
        yield uuid.UUID(text), _deleted_at(uuid.UUID(text))


def purge(upload_id: uuid.UUID) -> bool:
    """Remove it for good, if its time is over. What this database does not know as deleted stays. Raises StoreUnavailable."""
    deleted_at = _deleted_at(upload_id)
    if deleted_at is None or deleted_at > leases.now() - timedelta(days=settings.TRASH_DAYS):
        return False
    if not trash.purge(current_store(), str(upload_id)):  # somebody brought it back
        return False
    actions.note(record.PURGED, Upload.objects.get(id=upload_id))
    return True


def _deleted_at(upload_id: uuid.UUID) -> datetime | None:
    if not Upload.objects.filter(id=upload_id, state=State.DELETED).exists():
        return None
    last = Entry.objects.filter(upload_id=upload_id, event="deleted").order_by("-seq").first()
    return last and last.at
