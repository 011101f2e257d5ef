"""What happens to an upload.

Each change of state is one transaction, compares the generation, and brings its ledger entry.

A request that lost its lease changes nothing: every update names the generation that it was given.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from services_app.config import turns
from services_app.ledger import record
from services_app.store.paths import object_directory
from services_app.tokens.claims import Claims

from . import errors, policies
from .models import Grant, Protocol, Upload
from .ownership import leases
from .receipts import issuer
from .states import NEXT, State
from .wire.digests import Check


class LeaseLost(Exception):
    """Another request has taken this upload over, or it has ended: stop before the next write."""


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What a sender says as it begins. `length` in bytes, None when not known yet; `name` is safe already; `digests` are those
    that the whole must have (SHA-256, SHA-512).
    """

    protocol: Protocol
    length: int | None
    name: str
    digests: tuple[Check, ...] = ()
    metadata: str = ""
    concat: str = ""


def create(claims: Claims, new: NewUpload, *, receiving: bool, makes_room: bool = False) -> tuple[Upload, list[uuid.UUID]]:
    """Take a slot of the grant for one upload; with `receiving` the request goes on to send its first bytes.

    Rivals take turns; the UNIQUE constraint holds even if they did not. Where every slot is taken, the oldest upload that
    waits gives way: its sender begins anew. While the new one may still be refused it only stands aside, unless it `makes_room`.
    Returns the upload and the ids of those that gave way for good, whose staged bytes the caller discards.
    Raises TokenStartBy, AlreadyCommitted, UploadInProgress or Busy; TooLarge where all parts of the grant would be.
    """
    now, digests = leases.now(), {check.kind: check.digest.hex() for check in new.digests}
    holding = {"state": State.RECEIVING, "generation": 1, "contender": 1, "owner": leases.owner()} if receiving else {}
    holding |= leases.held() if receiving else leases.let_go()
    try:
        with transaction.atomic():
            turns.take(turns.Turn.GRANT, claims.jti)
            slot, gave_way, supersedes = None, [], None
            if new.concat == "partial":
                policies.check_parts(claims, new.length)
            else:
                slot, gave_way = policies.slot_for(claims, settled=True)
                if gave_way and receiving and not makes_room:
                    supersedes = _aside(gave_way.pop())
                for waiting in gave_way:
                    abort(waiting, errors.Superseded.code)
            grant = _grant(claims)
            grant.first_used_at = grant.first_used_at or now
            grant.last_refusal = ""
            grant.save(update_fields=["first_used_at", "last_refusal"])
            upload = Upload.objects.create(
                grant=grant,
                slot=slot,
                supersedes=supersedes,
                protocol=new.protocol,
                expires_at=now + idle_life(),
                length=new.length,
                expected_sha256=digests.get("sha256", ""),
                expected_sha512=digests.get("sha512", ""),
                received_at=now,
                safe_name=new.name,
                metadata=new.metadata,
                concat=new.concat,
                **holding,
            )
            return upload, [waiting.id for waiting in gave_way]
    except (IntegrityError, LeaseLost) as exc:
        raise errors.UploadInProgress from exc


def idle_life() -> timedelta:
    """How long an upload may wait for its sender."""
    return timedelta(seconds=settings.UPLOAD_EXPIRY)


def keep_lease(upload: Upload) -> None:
    """Make sure that the upload is ours still, and for a while. Raises LeaseLost."""
    _update(upload, **leases.held())


def checkpoint(upload: Upload, **safe) -> None:
    """`safe` (offset, length, the digests' states, media_type) is durable in staging; the request goes on. Raises LeaseLost."""
    _update(upload, **safe)


def set_length(upload: Upload, length: int) -> None:
    """The sender has learnt the length. Raises LeaseLost."""
    _update(upload, length=length)


def keep_type(upload: Upload, media_type: str) -> None:
    """What its bytes are taken for, though they are refused: whoever asks later is told. Raises LeaseLost."""
    _update(upload, media_type=media_type)


def wait(upload: Upload, *, problem: str = "", **safe) -> None:
    """The request has ended before the upload did: its sender may go on at the offset. `safe` as in checkpoint.

    One that brought nothing, and for which another one stands aside, is aborted instead. Raises LeaseLost.
    """
    ended = leases.let_go()
    expires_at = ended["lease_until"] + idle_life()
    with transaction.atomic():
        if not safe.get("offset", upload.offset) and _stands_aside_for(upload):
            abort(upload, problem or errors.BodyCutOff.code)
            return
        _move(upload, State.WAITING, owner="", expires_at=expires_at, problem=problem, **ended, **safe)
        _supersede(upload)


def begin_commit(upload: Upload, *, size: int, sha256: str, media_type: str) -> None:
    """All bytes are durable in staging and agree with what was announced. Raises LeaseLost."""
    facts = {"size": size, "offset": size, "length": size, "sha256": sha256, "media_type": media_type}
    _move(upload, State.COMMITTING, **facts)


def complete(upload: Upload, name: str = "") -> None:
    """The object stands durably under its final name, `name` where the store shortened it: write the ledger and sign the
    receipt. Raises LeaseLost.
    """
    durable_at, safe_name = timezone.now(), name.rpartition("/")[2] or upload.safe_name
    with transaction.atomic():
        _move(upload, State.COMMITTED, durable_at=durable_at, safe_name=safe_name, problem="")
        _supersede(upload)
        facts = {"size": upload.size, "sha256": upload.sha256, "collection": upload.grant.collection}
        entry = record.append("committed", upload_id=upload.id, grant_id=upload.grant_id, at=durable_at, facts=facts)
        upload.receipt = issuer().issue(
            {
                "upload_id": str(upload.id),
                "grant": str(upload.grant_id),
                "sub": upload.grant.sub,
                "collection": upload.grant.collection,
                "size": upload.size,
                "sha256": upload.sha256,
                "media_type": upload.media_type,
                "received_at": rfc3339(upload.received_at),
                "durable_at": rfc3339(durable_at),
                "ledger_seq": entry.seq,
                "ledger_head": entry.hash,
            }
        )
        upload.save(update_fields=["receipt"])


def abort(upload: Upload, code: str) -> None:
    """Nothing of it is visible or will be; the grant is free again, for the one that stood aside first. Raises LeaseLost."""
    slot = upload.slot
    with transaction.atomic():
        _end(upload, code)
        Grant.objects.filter(id=upload.grant_id).update(last_refusal=code)
        if code == errors.NoSpace.code:
            _supersede(upload)  # its sender began anew, and there is no room for both
        elif aside := _stands_aside_for(upload):
            Upload.objects.filter(id=aside.id, state=State.WAITING).update(slot=slot)


def mark_deleted(upload: Upload) -> None:
    """The object was removed over the internal API. The slot stays held: a grant is not renewed by a deletion."""
    with transaction.atomic():
        _move(upload, State.DELETED)
        record.append("deleted", upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={})


def release(upload: Upload) -> None:
    """We cannot bring it to its end now (the store is failing): whoever comes next may try."""
    Upload.objects.filter(id=upload.id, generation=upload.generation).update(**leases.let_go())


def note_refusal(claims: Claims, code: str) -> None:
    """Remember why a request under a good token was refused, for a sender whose network swallowed the answer."""
    with transaction.atomic():
        grant = _grant(claims)
        grant.last_refusal = code
        grant.save(update_fields=["last_refusal"])


def directory_of(upload: Upload) -> tuple[str, ...]:
    """The components of the object's folder."""
    return object_directory(upload.grant.collection, upload.id, upload.received_at)


def object_name(upload: Upload) -> str:
    """The object's name in the store."""
    return "/".join((*directory_of(upload), upload.safe_name))


def rfc3339(at: datetime) -> str:
    """UTC, milliseconds, Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _grant(claims: Claims) -> Grant:
    grant, _ = Grant.objects.get_or_create(
        id=claims.jti,
        defaults={
            "sub": claims.sub,
            "collection": claims.collection,
            "expires_at": datetime.fromtimestamp(claims.exp, tz=timezone.get_current_timezone()),
        },
    )
    return grant


def _aside(waiting: Upload) -> uuid.UUID:
    """Make an upload that waits stand aside. Raises LeaseLost when its sender was quicker."""
    same = Upload.objects.filter(id=waiting.id, generation=waiting.generation, state=State.WAITING)
    if not same.update(slot=None):
        raise LeaseLost
    return waiting.id


def _stands_aside_for(upload: Upload) -> Upload | None:
    if upload.supersedes is None:
        return None
    return Upload.objects.filter(id=upload.supersedes, state=State.WAITING, slot=None).first()


def _supersede(upload: Upload) -> None:
    """It cannot be refused any more, so nobody has to stand aside for it."""
    if aside := _stands_aside_for(upload):
        _end(aside, errors.Superseded.code)


def _end(upload: Upload, code: str) -> None:
    _move(upload, State.ABORTED, slot=None, problem=code)
    record.append("aborted", upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={"code": code})


def _update(upload: Upload, **fields) -> None:
    """Change fields of the upload that we are receiving, in the database and in `upload`. Raises LeaseLost."""
    ours = Upload.objects.filter(id=upload.id, generation=upload.generation, state=State.RECEIVING)
    if not ours.update(**fields):
        raise LeaseLost
    for name, value in fields.items():
        setattr(upload, name, value)


def _move(upload: Upload, to: State, **fields) -> None:
    """Change the state by the table and the generation, in the database and in `upload`. Raises LeaseLost."""
    sources = [state for state, following in NEXT.items() if to in following]
    ours = Upload.objects.filter(id=upload.id, generation=upload.generation, state__in=sources)
    if not ours.update(state=to, **fields):
        raise LeaseLost
    for name, value in {"state": to, **fields}.items():
        setattr(upload, name, value)
