"""What can be done with a grant. Views and commands parse and render; the rules are here.

Each takes `who`, and writes its audit event in the transaction of the change.
"""

import datetime
import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import Who, record
from web_app.collections import policies
from web_app.collections.models import Collection
from web_app.config import errors
from web_app.grants.keys import receipt_verifier, token_signer
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State
from web_app.receipts.verify import Receipt, ReceiptError
from web_app.tokens.claims import UploadClaims, cookie_digest


def issue(
    uploader: User,
    slug: str,
    *,
    size: int | None,
    sha256: str | None,
    binding: str | None,
    who: Who,
    max_uploads: int | None = None,
) -> tuple[Grant, str]:
    """A grant and its token, which is kept nowhere. `binding` is the cookie's value, for a browser. Without `max_uploads` it
    is good for as many uploads as its collection allows.

    Raises CollectionForbidden, SizeOverLimit or UploadsOverLimit.
    """
    collection = policies.open_to(uploader).filter(slug=slug).first()
    if collection is None:
        raise errors.CollectionForbidden
    if size is not None and size > collection.max_size:
        raise errors.SizeOverLimit(limit=collection.max_size, declared=size)
    if max_uploads is not None and max_uploads > collection.max_uploads:
        raise errors.UploadsOverLimit(limit=collection.max_uploads, asked=max_uploads)
    # Whole seconds: the token has no others, and the two must not disagree.
    now = timezone.now().replace(microsecond=0)
    with transaction.atomic():
        grant = Grant.objects.create(
            uploader=uploader,
            collection=collection,
            max_size=collection.max_size,
            max_uploads=max_uploads or collection.max_uploads,
            declared_size=size,
            declared_sha256=sha256 or "",
            bound_to_browser=binding is not None,
            created_at=now,
            start_by=now + datetime.timedelta(seconds=collection.start_within),
            expires_at=now + datetime.timedelta(seconds=collection.valid_for),
        )
        token = token_signer().sign(_claims(grant, collection, binding, issued_at=now))
        record(who, Action.GRANT_ISSUED, "grant", grant.id)
    return grant, token


def renew(grant: Grant, upload_id: uuid.UUID, *, binding: str | None, who: Who) -> tuple[Grant, str]:
    """A new token for one upload of this grant, whose old token ran out or is lost; the upload goes on where it stands.

    Whether the grant has such an upload is for the services tier to know. Raises CollectionForbidden when the person
    may no longer upload there, AlreadyComplete or GrantEnded.
    """
    with transaction.atomic():
        grant = _for_update(grant.id)
        if grant.state == State.COMPLETE or grant.stored.filter(pk=upload_id).exists():
            raise errors.AlreadyComplete
        if grant.state == State.CANCELLED:
            raise errors.GrantEnded
        if not policies.open_to(grant.uploader).filter(pk=grant.collection_id).exists():
            raise errors.CollectionForbidden
        now = timezone.now().replace(microsecond=0)
        grant.start_by = now + datetime.timedelta(seconds=grant.collection.start_within)
        grant.expires_at = max(grant.expires_at, now + datetime.timedelta(seconds=grant.collection.valid_for))
        grant.bound_to_browser = binding is not None
        if grant.state == State.EXPIRED:
            grant.move_to(State.ISSUED)
        grant.save()
        token = token_signer().sign(_claims(grant, grant.collection, binding, issued_at=now, upload_id=upload_id))
        record(who, Action.GRANT_RENEWED, "grant", grant.id)
    return grant, token


def _claims(
    grant: Grant,
    collection: Collection,
    binding: str | None,
    *,
    issued_at: datetime.datetime,
    upload_id: uuid.UUID | None = None,
) -> UploadClaims:
    return UploadClaims(
        issuer=settings.TOKEN_ISSUER,
        audience=settings.TOKEN_AUDIENCE,
        issued_at=int(issued_at.timestamp()),
        grant=str(grant.id),
        subject=grant.uploader.uploader_id,
        start_by=int(grant.start_by.timestamp()),
        expires=int(grant.expires_at.timestamp()),
        collection=collection.slug,
        max_size=grant.max_size,
        max_uploads=grant.max_uploads,
        length=grant.declared_size,
        sha256=grant.declared_sha256 or None,
        media_types=tuple(collection.media_types),
        upload_id=str(upload_id) if upload_id is not None else None,
        cookie_sha256=cookie_digest(binding) if binding is not None else None,
    )


def cancel(grant: Grant, *, who: Who) -> Grant:
    """The person gave it up. What has ended already stays as it is. Raises AlreadyComplete."""
    with transaction.atomic():
        grant = _for_update(grant.id)
        if grant.state == State.COMPLETE:
            raise errors.AlreadyComplete
        if grant.state == State.ISSUED:
            grant.move_to(State.CANCELLED)
            grant.save()
            record(who, Action.GRANT_CANCELLED, "grant", grant.id)
    return grant


def expire(grant: Grant, *, who: Who) -> bool:
    """Its time ran out and nothing was stored. False when something else happened to it meanwhile."""
    with transaction.atomic():
        grant = _for_update(grant.id)
        if grant.state != State.ISSUED:
            return False
        grant.move_to(State.EXPIRED)
        grant.save()
        record(who, Action.GRANT_EXPIRED, "grant", grant.id)
    return True


def complete(text: str, *, uploader: User | None, who: Who) -> StoredUpload:
    """Take a receipt; the same one again changes nothing. With `uploader`, only for a grant of theirs. The grant is complete
    with the last upload that it allows.

    Raises ReceiptInvalid, ReceiptUnknownGrant, ReceiptMismatch, or AlreadyComplete for one upload too many.
    """
    try:
        receipt = receipt_verifier().verify(text)
    except ReceiptError as exc:
        raise errors.ReceiptInvalid(reason=exc.code) from exc
    with transaction.atomic():
        grant = _for_update(uuid.UUID(receipt.grant), uploader)
        _check_that_it_fits(receipt, grant)
        stored = list(grant.stored.all())
        for upload in stored:
            if str(upload.upload_id) == receipt.upload_id:
                return upload
        if grant.state == State.COMPLETE:
            raise errors.AlreadyComplete
        upload = StoredUpload.objects.create(
            upload_id=uuid.UUID(receipt.upload_id),
            grant=grant,
            size=receipt.size,
            sha256=receipt.sha256,
            media_type=receipt.media_type,
            durable_at=receipt.durable_at,
            receipt=text,
        )
        record(who, Action.UPLOAD_STORED, "upload", upload.upload_id)
        if len(stored) + 1 == grant.max_uploads:
            grant.move_to(State.COMPLETE)
            grant.save()
            record(who, Action.GRANT_COMPLETED, "grant", grant.id)
    return upload


def _for_update(grant_id: uuid.UUID, uploader: User | None = None) -> Grant:
    rows = Grant.objects.select_for_update(of=("self",)).select_related("collection", "uploader").filter(pk=grant_id)
    grant = (rows if uploader is None else rows.filter(uploader=uploader)).first()
    if grant is None:
        raise errors.ReceiptUnknownGrant
    return grant


def _check_that_it_fits(receipt: Receipt, grant: Grant) -> None:
    """The services tier keeps to the token; this notices if it ever did not."""
    fits = {
        "sub": receipt.subject == grant.uploader.uploader_id,
        "collection": receipt.collection == grant.collection.slug,
        "size": receipt.size <= grant.max_size and grant.declared_size in (None, receipt.size),
        "sha256": grant.declared_sha256 in ("", receipt.sha256),
    }
    for claim, holds in fits.items():
        if not holds:
            raise errors.ReceiptMismatch(claim=claim)
