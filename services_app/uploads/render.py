"""How an upload looks from outside: JSON for the page and for web_app, header fields for the protocols."""

import contextlib
import uuid

from services_app.store.current import current_store
from services_app.store.digest import Sha256
from services_app.store.errors import StoreError
from services_app.tokens.claims import Claims

from . import actions, errors, quotas, recover, unpack, verdicts
from .models import Grant, Upload
from .states import BEST_FIRST, State

SHOWN = 100  # uploads of one grant in one answer
FEW = 10  # of them cost next to nothing


def settle(grant_id: uuid.UUID, claims: Claims | None = None) -> None:
    """Whoever asks after a crash learns whether the file is safe, so what it left behind is settled first."""
    recover.settle_stale_uploads_of(grant_id, claims)  # what could not be settled is still shown as running


def is_long(grant_id: uuid.UUID) -> bool:
    """Whether a grant's state takes its time."""
    return Upload.objects.filter(grant_id=grant_id).order_by("id")[FEW : FEW + 1].exists()


def grant(grant_id: uuid.UUID, claims: Claims | None = None) -> dict:
    """A grant's state as docs/upload-api.md shows it, with its newest uploads; a grant that was never used is `unused`. `claims`: its
    token, if that asks.
    """
    settle(grant_id, claims)
    of_grant = Upload.objects.select_related("grant", "unpacking").filter(grant_id=grant_id)
    uploads = list(of_grant.order_by("-id")[:SHOWN])[::-1]
    states = {upload.state for upload in uploads}  # not asked for by themselves: one may change between two questions
    if len(uploads) == SHOWN:
        states.update(of_grant.order_by().values_list("state", flat=True).distinct())
    refusal = Grant.objects.filter(id=grant_id).values_list("last_refusal", flat=True).first()
    return {
        "grant": str(grant_id),
        "state": min(states, key=BEST_FIRST.index, default="unused"),
        "uploads": [one(upload) for upload in uploads],
        "earlier": of_grant.count() - len(uploads) if len(uploads) == SHOWN else 0,
        "problem": errors.describe(refusal or "", _refused_type(uploads)),
        **({"quotas": quotas.told(claims)} if claims is not None and claims.quotas else {}),
    }


def page(grant_id: uuid.UUID, after: uuid.UUID | None = None, limit: int = SHOWN) -> dict:
    """The same for web_app, which needs all of them: the oldest first, those behind the id `after`, and `next` where more follow."""
    told = grant(grant_id)
    found = Upload.objects.select_related("grant", "unpacking").filter(grant_id=grant_id).order_by("id")
    uploads = list((found if after is None else found.filter(id__gt=after))[: limit + 1])
    shown = uploads[:limit]
    return {**told, "uploads": [one(upload) for upload in shown], "next": str(shown[-1].id) if len(uploads) > limit else None}


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
        "sha256_of_offset": _digest_of_offset(upload),
        "media_type": upload.media_type or None,
        "received_at": actions.rfc3339(upload.received_at),
        "durable_at": upload.durable_at and actions.rfc3339(upload.durable_at),
        "expires_at": actions.rfc3339(upload.expires_at) if upload.state == State.WAITING else None,
        "receipt": upload.receipt or None,
        "folder": unpack.state_of(upload),
        "standing": verdicts.standing(upload),
        "problem": errors.describe(upload.problem, upload.media_type),
    }


def _digest_of_offset(upload: Upload) -> str | None:
    """By which a sender that has forgotten what it sent, or is another one of the same person, compares its file before it goes on."""
    if upload.state != State.WAITING or upload.digest_state is None:
        return None
    with contextlib.suppress(ValueError):  # a state of another make: its bytes are read again when it goes on
        return Sha256(bytes(upload.digest_state)).hexdigest()
    return None


def named(upload: Upload) -> dict:
    """One upload for the person whose it is: the only answer that holds a file's name."""
    return {
        "upload_id": str(upload.id),
        "grant": str(upload.grant_id),
        "collection": upload.grant.collection,
        "name": upload.safe_name,
        "state": upload.state,
        "standing": verdicts.standing(upload),
        "offset": upload.offset,
        "length": upload.size if upload.size is not None else upload.length,
        "received_at": actions.rfc3339(upload.received_at),
        "expires_at": actions.rfc3339(upload.expires_at) if upload.state in (State.WAITING, State.RECEIVING) else None,
        "folder": unpack.state_of(upload),
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
