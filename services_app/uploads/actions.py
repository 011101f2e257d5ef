"""What happens to an upload.

Each change of state is one transaction, compares the generation, and brings its ledger entry.

A request that lost its lease changes nothing: every update names the generation that it was given.
"""

import contextlib
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from services_app.config import turns
from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.receipts.issue import REMOVAL
from services_app.store.paths import object_directory
from services_app.tokens.claims import Claims

from . import bounds, errors, policies, quotas
from .models import Grant, Protocol, Unpacking, Upload
from .ownership import leases, lines
from .receipts import issuer
from .states import NEXT, State
from .wire.digests import Check

# Of an Upload-Concat that tus.part_ids has read once.
_PART = re.compile(r"(?<=[/ ;])([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\s|\Z)")


RESUMED_EVERY = timedelta(hours=1)


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


def create(claims: Claims, new: NewUpload, *, receiving: bool, bringing: int = 0) -> tuple[Upload, list[uuid.UUID]]:
    """Take a slot of the grant for one upload; with `receiving` the request goes on to send its first bytes, `bringing` so many if
    that is known.

    Rivals take turns; the UNIQUE constraint holds even if they did not. Where every slot is taken, the oldest upload that
    waits gives way: its sender begins anew. While the new one may still be refused it only stands aside.
    Returns the upload and the ids of those that gave way for good, whose staged bytes the caller discards.
    Raises GrantRevoked, TokenStartBy, AlreadyCommitted, UploadInProgress, Busy or ShareTaken; TooLarge where all parts of the grant
    would be; and as bounds.check and quotas.check.
    """
    now, digests = leases.now(), {check.kind: check.digest.hex() for check in new.digests}
    holding = {"state": State.RECEIVING, "generation": 1, "contender": 1, "owner": leases.owner()} if receiving else {}
    holding |= leases.held() if receiving else leases.let_go()
    try:
        with lines.transaction_of(turns.Turn.PERSON, claims.sub):
            quotas.take_turn(claims)
            turns.take(turns.Turn.GRANT, claims.jti)
            policies.check_revoked(claims)  # again: from here on a revocation finds this upload
            slot, gave_way, supersedes = None, [], None
            if new.concat == "partial":
                policies.check_parts(claims, bringing if new.length is None else new.length)
            else:
                slot, gave_way = policies.slot_for(claims, settled=True)
            bounds.check(claims, max(new.length or 0, bringing), gave_way)
            size = (bringing or (0 if parts_of(new) else None)) if new.length is None else new.length
            becomes = [*parts_of(new), *(waiting.id for waiting in gave_way)]
            quotas.check(claims, size, objects=0 if new.concat == "partial" else 1, besides=becomes)
            bounds.note_begun(claims)
            if gave_way and receiving:
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
                spoken_for=bringing,
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


def take_up(upload: Upload, number: int, room: Callable[[Upload], int] | None = None, **seen: int) -> bool:
    """Begin to receive an upload that waits, as its request of this number, if it is still as it was `seen`; in the database and in
    `upload`. `room`: how many bytes it may hold with what the request brings, asked in the person's turn; whatever it raises.
    """
    ours = {"state": State.RECEIVING, "contender": number, "generation": number, "owner": leases.owner(), **leases.held()}
    seen = {**seen, "retrievals": upload.retrievals, "slot": upload.slot}
    turn = lines.transaction_of(turns.Turn.PERSON, upload.grant.sub, has_place=True)
    with turn if room is not None else contextlib.nullcontext():
        ours["spoken_for"] = 0 if room is None else room(upload)
        if not Upload.objects.filter(id=upload.id, state=State.WAITING, **seen).update(**ours):
            return False
        if room is not None and upload.problem:
            _note_resumed(upload)
    for name, value in ours.items():
        setattr(upload, name, value)
    return True


def _note_resumed(upload: Upload) -> None:
    """It was cut off, and goes on; again once an hour at most, so that a line that breaks all the time fills no ledger."""
    of_it = Entry.objects.filter(upload_id=upload.id, event=record.RESUMED, at__gt=timezone.now() - RESUMED_EVERY)
    if not of_it.exists():
        note(record.RESUMED, upload, offset=upload.offset, code=upload.problem)


def keep_lease(upload: Upload) -> None:
    """Make sure that the upload is ours still, and for a while. Raises LeaseLost."""
    _update(upload, **leases.held())


def speak_for(upload: Upload, claims: Claims, size: int, *, ahead: int = 0) -> None:
    """It is to hold `size` bytes, more than its request has spoken for; if there is room, so many `ahead`. Raises LeaseLost,
    AppendTooLarge where there is no more room in its grant, or as policies.check_more.
    """
    with lines.transaction_of(turns.Turn.PERSON, upload.grant.sub, has_place=True):
        most = policies.most_bytes(claims, upload)
        if size > most:
            raise errors.AppendTooLarge
        holds = policies.check_more(claims, upload, size, ahead=min(ahead, most - size))
        _update(upload, spoken_for=holds)


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


def begin_commit(upload: Upload, *, size: int, sha256: str, media_type: str, staged_as: str = "", unpacks: bool = False) -> None:
    """All bytes are durable in staging and agree with what was announced. `staged_as`: what tells them where their staged name goes as
    they get their final one. `unpacks`: it is a folder, whose files are to lie beside it. Raises LeaseLost.
    """
    facts = {"size": size, "offset": size, "length": size, "sha256": sha256, "media_type": media_type, "staged_as": staged_as}
    with transaction.atomic() if unpacks else contextlib.nullcontext():
        _move(upload, State.COMMITTING, **facts)
        if unpacks:
            Unpacking.objects.get_or_create(upload=upload, defaults=leases.let_go())


def unpacking_of(upload: Upload) -> Unpacking | None:
    """Whether its files lie beside it, or will; None where it stays as it is. Of most no question is asked: they are no archive."""
    return getattr(upload, "unpacking", None) if upload.media_type == Unpacking.MEDIA_TYPE else None


def complete(upload: Upload, name: str = "") -> None:
    """The object stands durably under its final name, `name` where the store shortened it: write the ledger and sign the
    receipt. Raises LeaseLost.
    """
    durable_at, safe_name = timezone.now(), name.rpartition("/")[2] or upload.safe_name
    with transaction.atomic():
        _move(upload, State.COMMITTED, only_from=State.COMMITTING, durable_at=durable_at, safe_name=safe_name, problem="")
        parts = Upload.objects.filter(id__in=parts_of(upload), grant_id=upload.grant_id, concat="partial", state=State.WAITING)
        parts = list(parts.select_for_update().order_by("id"))  # rows before the ledger's turn, as everywhere
        for part in parts:
            with contextlib.suppress(LeaseLost):  # somebody looks at it at this moment, and it goes when it expires
                _end(part, errors.Superseded.code)
        _supersede(upload)
        quotas.note_stored(upload)
        facts = {
            "size": upload.size,
            "sha256": upload.sha256,
            "collection": upload.grant.collection,
            "received_at": rfc3339(upload.received_at),  # its first byte, which has no entry of its own: beginning costs none
        }
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


def abort(upload: Upload, code: str, **fields) -> None:
    """Nothing of it is visible or will be; the grant is free again, for the one that stood aside first. `fields` change with the
    state. Raises LeaseLost.
    """
    slot = upload.slot
    with transaction.atomic():
        _end(upload, code, **fields)
        Grant.objects.filter(id=upload.grant_id).update(last_refusal=code)
        if aside := _stands_aside_for(upload):
            Upload.objects.filter(id=aside.id, state=State.WAITING).update(slot=slot)


def mark_deleted(upload: Upload) -> None:
    """The object was removed over the internal API. The slot stays held: a grant is not renewed by a deletion.

    The entry carries a statement signed for its place in the chain, so that who can only write to the database cannot have one believed.
    """
    with transaction.atomic():
        _move(upload, State.DELETED)
        quotas.note_stored(upload, -1)
        seq, head = record.head()
        said = {"upload_id": str(upload.id), "grant": str(upload.grant_id), "after_seq": seq, "after_head": head}
        note("deleted", upload, signed=issuer().issue(said, REMOVAL))


def mark_restored(upload: Upload, name: str) -> None:
    """The object is stored again under this name, as it was. Raises LeaseLost."""
    with transaction.atomic():
        _move(upload, State.COMMITTED, only_from=State.DELETED, safe_name=name)
        quotas.note_stored(upload)
        note(record.RESTORED, upload)


def note(event: str, upload: Upload, **facts) -> None:
    """An entry of the ledger about it."""
    with transaction.atomic():
        record.append(event, upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts=facts)


def release(upload: Upload) -> None:
    """We cannot bring it to its end now (the store is failing): whoever comes next may try."""
    Upload.objects.filter(id=upload.id, generation=upload.generation).update(**leases.let_go())


def note_refusal(claims: Claims, code: str) -> None:
    """Remember why a request under a good token was refused, for a sender whose network swallowed the answer; of what was never used
    for so many of a person, so that questions alone fill no database.
    """
    if Grant.objects.filter(id=claims.jti).update(last_refusal=code):
        return
    with contextlib.suppress(errors.Busy, errors.ShareTaken), lines.transaction_of(turns.Turn.PERSON, claims.sub):
        if Grant.objects.filter(sub=claims.sub, first_used_at=None).count() < bounds.REFUSED:
            _grant(claims, last_refusal=code)


def parts_of(upload: Upload | NewUpload) -> list[uuid.UUID]:
    """The parts of which a final upload of a concatenation is made; none of any other."""
    return [uuid.UUID(found) for found in _PART.findall(upload.concat)] if upload.concat.startswith("final;") else []


def directory_of(upload: Upload) -> tuple[str, ...]:
    """The components of the object's folder."""
    return object_directory(upload.grant.collection, upload.id, upload.received_at)


def object_name(upload: Upload) -> str:
    """The object's name in the store."""
    return "/".join((*directory_of(upload), upload.safe_name))


def rfc3339(at: datetime) -> str:
    """UTC, milliseconds, Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _grant(claims: Claims, **more) -> Grant:
    grant, _ = Grant.objects.get_or_create(
        id=claims.jti,
        defaults={
            "sub": claims.sub,
            "collection": claims.collection,
            "expires_at": datetime.fromtimestamp(claims.exp, tz=timezone.get_current_timezone()),
            **more,
        },
    )
    return grant


def _aside(waiting: Upload) -> uuid.UUID:
    """Make an upload that waits stand aside. Raises LeaseLost when its sender was quicker."""
    same = Upload.objects.filter(id=waiting.id, generation=waiting.generation, state=State.WAITING)
    if not same.update(slot=None):
        raise LeaseLost
    return waiting.id


def displaces(upload: Upload) -> bool:
    """Whether promised bytes of another one are given up once this one is accepted."""
    aside = _stands_aside_for(upload)
    return aside is not None and aside.offset > 0


def _stands_aside_for(upload: Upload) -> Upload | None:
    if upload.supersedes is None:
        return None
    return Upload.objects.filter(id=upload.supersedes, state=State.WAITING, slot=None).first()


def _supersede(upload: Upload) -> None:
    """It cannot be refused any more, so nobody has to stand aside for it."""
    if aside := _stands_aside_for(upload):
        _end(aside, errors.Superseded.code)


def _end(upload: Upload, code: str, **fields) -> None:
    said = {"metadata": ""} | ({"concat": ""} if upload.concat.startswith("final;") else {})  # the most of a row, and of no more use
    _move(upload, State.ABORTED, slot=None, problem=code, **said, **fields)
    record.append("aborted", upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={"code": code})


def _update(upload: Upload, **fields) -> None:
    """Change fields of the upload that we are receiving, in the database and in `upload`. Raises LeaseLost."""
    ours = Upload.objects.filter(id=upload.id, generation=upload.generation, state=State.RECEIVING)
    if not ours.update(**fields):
        raise LeaseLost
    for name, value in fields.items():
        setattr(upload, name, value)


def _move(upload: Upload, to: State, *, only_from: State | None = None, **fields) -> None:
    """Change the state by the table and the generation, in the database and in `upload`. Raises LeaseLost."""
    sources = [state for state, following in NEXT.items() if to in following and only_from in (None, state)]
    ours = Upload.objects.filter(id=upload.id, generation=upload.generation, state__in=sources)
    if not ours.update(state=to, **fields):
        raise LeaseLost
    for name, value in {"state": to, **fields}.items():
        setattr(upload, name, value)
