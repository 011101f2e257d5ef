"""What was found of a stored file: whether it may be used. It is not its receipt, which says that it is stored, and stays (ADR 0045).

Beside the object lies `<name>.verdict.json`, signed, which whoever reads the NAS can rely on: it is written as a whole, before
the row and the ledger, so that neither says what the NAS does not.
"""

import contextlib

from django.db import transaction
from django.utils import timezone

from services_app.hooks.configured import hooks
from services_app.ledger import record
from services_app.receipts.issue import VERDICT
from services_app.receipts.read import NotSigned, StatementReader
from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown
from services_app.store.nas import LocalFileSystemStorage

from . import actions
from .models import Upload
from .receipts import issuer
from .states import Standing, State

OPERATOR = "operator"  # who gave it by hand; no hook has that name
_EVENTS = {Standing.RELEASED: record.RELEASED, Standing.QUARANTINED: record.QUARANTINED}


def standing(upload: Upload) -> Standing | None:
    """None for what is not stored."""
    if upload.state != State.COMMITTED:
        return None
    if upload.verdict:
        return Standing(upload.verdict)
    return Standing.CHECKING if required(upload) else Standing.STORED


def required(upload: Upload) -> set[str]:
    """The hooks that must have looked at it before it is released."""
    found = (upload.grant.collection, upload.durable_at)
    return {hook.name for hook in hooks() if hook.required and hook.is_for(*found)}


def give(upload: Upload, verdict: Standing, *, by: list[str], found: str = "") -> None:
    """Write a verdict onto the NAS, then into the row and the ledger. Said again, nothing changes but its time. Raises ObjectUnknown,
    StoreFull or StoreUnavailable.
    """
    put(upload, verdict, by=by, found=found)
    note(upload, verdict, by=by)


def put(upload: Upload, verdict: Standing, *, by: list[str], found: str = "") -> None:
    """The NAS's part of `give`. Raises as that."""
    said = {"upload_id": str(upload.id), "sha256": upload.sha256, "verdict": str(verdict), "by": sorted(by)}
    said |= {"at": actions.rfc3339(timezone.now())} | ({"found": found} if found else {})
    document = {**said, "statement": issuer().issue(said, VERDICT)}
    current_store().write_verdict(actions.object_name(upload), document, withheld=verdict == Standing.QUARANTINED)


def note(upload: Upload, verdict: Standing, *, by: list[str]) -> None:
    """The database's part of `give`."""
    with transaction.atomic():
        changed = Upload.objects.filter(id=upload.id, state=State.COMMITTED).exclude(verdict=verdict).update(verdict=verdict)
        if changed:
            actions.note(_EVENTS[verdict], upload, by=sorted(by))
    upload.verdict = verdict


def on_the_store(store: LocalFileSystemStorage, name: str, reader: StatementReader) -> dict | None:
    """The claims of the signed verdict beside an object; None where there is none, or none that a key signed which is here. Raises
    StoreUnavailable.
    """
    with contextlib.suppress(ObjectUnknown, NotSigned, AttributeError, RecursionError):
        signed = reader.read(store.verdict(name).get("statement"), VERDICT)
        return signed.claims if signed.verified else None
    return None


def says_the_same(upload: Upload, document: dict, reader: StatementReader) -> bool:
    """Whether what lies beside an object is its verdict as the row has it, in both of its forms; its key may have been retired."""
    try:
        claims = reader.read(document.get("statement"), VERDICT).claims
    except NotSigned:
        return False
    told = {name: value for name, value in document.items() if name != "statement"}
    return is_of(claims, str(upload.id), upload.sha256) and claims["verdict"] == upload.verdict and told.items() <= claims.items()


def is_of(claims: dict, upload_id: str, sha256: str) -> bool:
    """Whether a verdict is about these bytes."""
    about = (claims.get("upload_id"), claims.get("sha256")) == (upload_id, sha256)
    return about and claims.get("verdict") in list(_EVENTS) and isinstance(claims.get("by"), list)
