"""What happens to an upload.

Each change of state is one transaction, compares the generation, and brings its ledger entry.

A request that lost its lease changes nothing: every update names the generation that it was given.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from services_app.ledger import record
from services_app.store.paths import object_directory
from services_app.tokens.claims import Claims

from . import errors, leases, policies
from .headers import Announced
from .models import Grant, Upload
from .receipts import issuer
from .states import NEXT, RUNNING, State


class LeaseLost(Exception):
    """Another request has taken this upload over, or it has ended: stop before the next write."""


def claim(claims: Claims, announced: Announced) -> Upload:
    """Take a free slot of the grant for one upload. The UNIQUE insert decides between rivals.

    Raises TokenStartBy, AlreadyCommitted, UploadInProgress or Busy.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            slot = policies.free_slot(claims)
            grant = _grant(claims)
            grant.first_used_at = grant.first_used_at or now
            grant.last_refusal = ""
            grant.save(update_fields=["first_used_at", "last_refusal"])
            return Upload.objects.create(
                grant=grant,
                slot=slot,
                lease_until=now + leases.receiving_lease(),
                owner=leases.owner(),
                length=announced.length,
                received_at=now,
                safe_name=announced.name,
            )
    except IntegrityError as exc:
        raise errors.UploadInProgress from exc


def renew(upload: Upload, lease: timedelta | None = None) -> None:
    """Keep the upload for as long as its sender may be silent from now, or for `lease`. Raises LeaseLost."""
    mine = Upload.objects.filter(id=upload.id, generation=upload.generation, state=State.RECEIVING)
    if not mine.update(lease_until=timezone.now() + (lease or leases.receiving_lease())):
        raise LeaseLost


def begin_commit(upload: Upload, *, size: int, sha256: str, media_type: str) -> None:
    """All bytes are durable in staging and agree with what was announced. Raises LeaseLost."""
    facts = {"size": size, "sha256": sha256, "media_type": media_type}
    _move(upload, State.COMMITTING, lease_until=timezone.now() + leases.COMMIT_LEASE, **facts)


def complete(upload: Upload) -> None:
    """The object stands durably under its final name: write the ledger and sign the receipt. Raises LeaseLost."""
    durable_at = timezone.now()
    with transaction.atomic():
        _move(upload, State.COMMITTED, durable_at=durable_at)
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
    """Nothing of it is visible or will be; the grant is free again. Raises LeaseLost."""
    with transaction.atomic():
        _move(upload, State.ABORTED, slot=None, problem=code)
        Grant.objects.filter(id=upload.grant_id).update(last_refusal=code)
        record.append("aborted", upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={"code": code})


def mark_deleted(upload: Upload) -> None:
    """The object was removed over the internal API. The slot stays held: a grant is not renewed by a deletion."""
    with transaction.atomic():
        _move(upload, State.DELETED)
        record.append("deleted", upload_id=upload.id, grant_id=upload.grant_id, at=timezone.now(), facts={})


def take_over(upload: Upload) -> bool:
    """Make an abandoned upload ours, by raising its generation. False when somebody else was quicker."""
    # The very lease that was found abandoned: a request may have come back to life since.
    mine = Upload.objects.filter(
        id=upload.id, generation=upload.generation, state__in=RUNNING, lease_until=upload.lease_until
    )
    lease = {"lease_until": timezone.now() + leases.COMMIT_LEASE, "owner": leases.owner()}
    if not mine.update(generation=upload.generation + 1, **lease):
        return False
    upload.refresh_from_db()
    return True


def release(upload: Upload) -> None:
    """We cannot bring it to its end now (the store is failing): whoever comes next may try."""
    Upload.objects.filter(id=upload.id, generation=upload.generation).update(lease_until=timezone.now())


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


def _move(upload: Upload, to: State, **fields) -> None:
    """Change the state by the table and the generation, in the database and in `upload`. Raises LeaseLost."""
    sources = [state for state, following in NEXT.items() if to in following]
    mine = Upload.objects.filter(id=upload.id, generation=upload.generation, state__in=sources)
    if not mine.update(state=to, **fields):
        raise LeaseLost
    for name, value in {"state": to, **fields}.items():
        setattr(upload, name, value)
