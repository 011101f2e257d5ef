"""Which stored files is a hook for? The ledger says so: each commit stands there, in the transaction that made it one, in order.

So nothing is written for a hook as a file is stored, and a crash leaves nothing out: what the ledger has is looked at, once.
"""

from django.db import transaction

from services_app.hooks.hook import QUARANTINED, RELEASED, STORED, Hook
from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.uploads.models import Upload
from services_app.uploads.states import State as UploadState

from .models import Cursor, Delivery, State

AT_ONCE = 1000  # entries

COMMITTED = "committed"
_EVENTS = {STORED: COMMITTED, RELEASED: record.RELEASED, QUARANTINED: record.QUARANTINED}


def events(hook: Hook) -> tuple[str, ...]:
    """What the ledger says of a file that is for this hook. What was entered again was handed on before, most likely; where a verdict
    is required it may not be missing.
    """
    return (_EVENTS[hook.on], record.ADOPTED) if hook.required else (_EVENTS[hook.on],)


def gather(hook: Hook) -> bool:
    """Note deliveries for the next entries of the ledger; return whether there are more."""
    seq = Cursor.objects.filter(hook=hook.name, selects=hook.selects).values_list("seq", flat=True).first()
    if seq is not None and not Entry.objects.filter(seq__gt=seq).exists():
        return False
    with transaction.atomic():
        cursor, _ = Cursor.objects.select_for_update().get_or_create(hook=hook.name, defaults={"selects": hook.selects})
        if cursor.selects != hook.selects:
            cursor.selects, cursor.seq = hook.selects, 0
        entries = Entry.objects.filter(seq__gt=cursor.seq).order_by("seq").values_list("seq", "event", "upload_id")
        entries = list(entries[:AT_ONCE])
        _note(hook, entries)
        cursor.seq = entries[-1][0] if entries else cursor.seq
        cursor.save()
    return len(entries) == AT_ONCE


def _note(hook: Hook, entries: list[tuple]) -> None:
    stored = {upload_id: seq for seq, event, upload_id in entries if event in events(hook)}
    known = {upload_id for _, event, upload_id in entries if event == record.ADOPTED}
    uploads = Upload.objects.select_related("grant").filter(id__in=stored, state__in=(UploadState.COMMITTED, UploadState.DELETED))
    Delivery.objects.bulk_create(
        [
            Delivery(hook=hook.name, upload=upload, collection=upload.grant.collection, seq=stored[upload.id])
            for upload in uploads
            if hook.is_for(upload.grant.collection, upload.durable_at) and not (upload.verdict and upload.id in known)
        ],
        ignore_conflicts=True,
    )
    back = [upload_id for _, event, upload_id in entries if event == record.RESTORED]
    Delivery.objects.filter(hook=hook.name, upload_id__in=back, state=State.MOOT).update(state=State.WAITING, ended_at=None)
