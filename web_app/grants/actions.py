"""What can be done with a grant. Views and commands parse and render; the rules are here.

Each takes `who`, and writes its audit event in the transaction of the change.
"""

import dataclasses
import datetime
import uuid

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from web_app.accounts.models import ApiKey, User
from web_app.audit.models import Action
from web_app.audit.record import Who, record
from web_app.collections import policies as collections_policies
from web_app.collections import quotas
from web_app.collections.models import Collection
from web_app.config import errors
from web_app.grants import browsers, daily, ends, policies, revoking
from web_app.grants.keys import receipt_verifier, token_signer
from web_app.grants.models import Grant, HandedOut, Revocation, StoredUpload
from web_app.grants.states import State
from web_app.metrics import counted
from web_app.receipts.verify import Receipt, ReceiptError
from web_app.tokens.claims import LONGEST_LIFE, UploadClaims, cookie_digest

for outcome in ("verified", "mismatch", *(kind.code for kind in ReceiptError.__subclasses__())):
    counted.receipts.labels(outcome)


def issue(
    uploader: User,
    slug: str,
    *,
    size: int | None,
    sha256: str | None,
    binding: str | None,
    who: Who,
    max_uploads: int | None = None,
    sign_in: str = "",
    api_key: ApiKey | None = None,
) -> tuple[Grant, str]:
    """A grant and its token, which is kept nowhere. `binding` is the cookie's value, for a browser, and `sign_in` what its session
    was opened by (browsers.py). Without `max_uploads` it is good for as many uploads as its collection allows.

    Raises CollectionForbidden, SizeOverLimit, UploadsOverLimit, TooManyGrants, TooManyGrantsHere or TooManyToday.
    """
    collection = collections_policies.open_to(uploader, api_key).filter(slug=slug).first()
    if collection is None:
        raise errors.CollectionForbidden
    if size is not None and size > collection.max_size:
        raise errors.SizeOverLimit(limit=collection.max_size, declared=size)
    if max_uploads is not None and max_uploads > collection.max_uploads:
        raise errors.UploadsOverLimit(limit=collection.max_uploads, asked=max_uploads)
    # Whole seconds: the token has no others, and the two must not disagree.
    now = timezone.now().replace(microsecond=0)
    end = _end(now, collection, api_key, began=now)
    if end <= now:
        raise errors.ApiKeyRefused  # its last second
    with transaction.atomic():
        _check_one_more(uploader, collection, now)
        daily.count_one(uploader)
        grant = Grant.objects.create(
            uploader=uploader,
            collection=collection,
            max_size=collection.max_size,
            max_uploads=max_uploads or collection.max_uploads,
            declared_size=size,
            declared_sha256=sha256 or "",
            api_key=api_key,
            created_at=now,
            start_by=min(now + datetime.timedelta(seconds=collection.start_within), end),
            expires_at=end,
        )
        _note(grant, binding, sign_in, api_key, issued_at=now, until=end)
        token = token_signer().sign(_claims(grant, binding, issued_at=now))
        record(who, Action.GRANT_ISSUED, "grant", grant.id, person=grant.uploader)
    _check_that_it_holds(grant, api_key)
    return grant, token


def renew(
    grant: Grant, upload_id: uuid.UUID, *, binding: str | None, who: Who, sign_in: str = "", api_key: ApiKey | None = None
) -> tuple[Grant, str]:
    """A new token for one upload of this grant, whose old token ran out or is lost; the upload goes on where it stands.

    Whether the grant has such an upload is for the services tier to know. What its collection allows less of by now counts.
    Raises CollectionForbidden when the person may no longer upload there, AlreadyComplete, GrantEnded, which is also what its last
    day comes to, SizeOverLimit, TooManyToday, or for one that is to be opened again TooManyGrants or TooManyGrantsHere.
    """
    now = timezone.now().replace(microsecond=0)
    with transaction.atomic():
        _in_turn(grant.uploader)
        grant = _for_update(grant.id)
        # In the new token alone: a receipt under the older one has to fit the grant still.
        max_size, max_uploads = (min(getattr(grant, name), getattr(grant.collection, name)) for name in ("max_size", "max_uploads"))
        stored = {upload.pk for upload in grant.stored.all()}
        if grant.state == State.COMPLETE or upload_id in stored or len(stored) >= max_uploads:
            raise errors.AlreadyComplete
        if not collections_policies.open_to(grant.uploader, api_key).filter(pk=grant.collection_id).exists():
            raise errors.CollectionForbidden
        end = _end(now, grant.collection, api_key or grant.api_key, began=grant.created_at)
        if grant.state == State.CANCELLED or Revocation.objects.filter(grant=grant).exists() or end <= now:
            raise errors.GrantEnded
        if (grant.declared_size or 0) > max_size:
            raise errors.SizeOverLimit(limit=max_size, declared=grant.declared_size)
        if grant.state != State.ISSUED or grant.expires_at <= now:
            _check_one_more(grant.uploader, grant.collection, now)
        daily.count_one(grant.uploader)
        grant.start_by = min(now + datetime.timedelta(seconds=grant.collection.start_within), end)
        grant.expires_at = max(grant.expires_at, end)  # of the older token, which is still about
        grant.api_key = api_key or grant.api_key
        if grant.state == State.EXPIRED:
            grant.move_to(State.ISSUED)
        grant.save()
        _note(grant, binding, sign_in, api_key, issued_at=now, until=end)
        less = {"expires": int(end.timestamp()), "max_size": max_size, "max_uploads": max_uploads}
        token = token_signer().sign(_claims(grant, binding, issued_at=now, upload_id=upload_id, **less))
        record(who, Action.GRANT_RENEWED, "grant", grant.id, person=grant.uploader)
    _check_that_it_holds(grant, api_key)
    grant.expires_at, grant.max_size, grant.max_uploads = end, max_size, max_uploads  # not saved: what the asker is told of this token
    return grant, token


def _in_turn(uploader: User) -> None:
    """Whoever counts what a person has open, and opens one more, goes alone (SQLite has one writing transaction in any case)."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=uploader.pk)


def _check_one_more(uploader: User, collection: Collection, now: datetime.datetime) -> None:
    """Only inside the transaction that opens it. Raises TooManyGrants, or TooManyGrantsHere."""
    _in_turn(uploader)
    are_open = uploader.grants.filter(state=State.ISSUED, expires_at__gt=now)
    if are_open.count() >= settings.GRANTS_OPEN_MAX:
        raise errors.TooManyGrants(limit=settings.GRANTS_OPEN_MAX)
    if collection.grants_open is not None and are_open.filter(collection=collection).count() >= collection.grants_open:
        raise errors.TooManyGrantsHere(limit=collection.grants_open)


def _end(
    now: datetime.datetime, collection: Collection, api_key: ApiKey | None, *, began: datetime.datetime
) -> datetime.datetime:
    """Of a token that is made now: no later than the key that asks for it, and than the last day of its grant."""
    ends = [now + datetime.timedelta(seconds=min(collection.valid_for, LONGEST_LIFE)), revoking.last_day(began)]
    if api_key is not None:
        ends.append(api_key.expires_at)
    return min(ends).replace(microsecond=0)


def _note(
    grant: Grant,
    binding: str | None,
    sign_in: str,
    api_key: ApiKey | None,
    *,
    issued_at: datetime.datetime,
    until: datetime.datetime,
) -> None:
    """Whose token this is, so that it ends with what it was asked for by."""
    if binding is not None:
        browsers.note(binding, grant.uploader, until, sign_in)
    if api_key is not None:
        HandedOut.objects.get_or_create(grant=grant, api_key=api_key, issued_at=issued_at, defaults={"until": until})


def _check_that_it_holds(grant: Grant, api_key: ApiKey | None) -> None:
    """Behind the commit: what was taken from this person meanwhile did not see this grant. Raises CollectionForbidden."""
    in_vain = revoking.handed_out_in_vain().filter(grant=grant, api_key=api_key)
    if revoking.ended().filter(pk=grant.pk).exists() or (api_key is not None and in_vain.exists()):
        revoking.sweep()
        raise errors.CollectionForbidden


def _claims(
    grant: Grant,
    binding: str | None,
    *,
    issued_at: datetime.datetime,
    upload_id: uuid.UUID | None = None,
    **less,
) -> UploadClaims:
    """`less`: claims of a renewed token that allow less than the grant."""
    claims = UploadClaims(
        issuer=settings.TOKEN_ISSUER,
        audience=settings.TOKEN_AUDIENCE,
        issued_at=int(issued_at.timestamp()),
        grant=str(grant.id),
        subject=grant.uploader.uploader_id,
        start_by=int(grant.start_by.timestamp()),
        expires=int(grant.expires_at.timestamp()),
        collection=grant.collection.slug,
        max_size=grant.max_size,
        max_uploads=grant.max_uploads,
        max_unfinished=grant.collection.unfinished,
        max_staged=grant.collection.staged,
        quotas=quotas.of(grant.uploader, grant.collection),
        length=grant.declared_size,
        sha256=grant.declared_sha256 or None,
        media_types=tuple(grant.collection.media_types),
        unpack_folders=grant.collection.unpack_folders,
        upload_id=str(upload_id) if upload_id is not None else None,
        cookie_sha256=cookie_digest(binding) if binding is not None else None,
    )
    return dataclasses.replace(claims, **less)


def cancel(grant: Grant, *, who: Who, because: str | None = None) -> Grant:
    """The person gave it up, or their page did `because` of a problem of this code: its tokens are refused from now on. What has ended
    already stays as it is. Raises AlreadyComplete.
    """
    with transaction.atomic():
        grant = _for_update(grant.id)
        if grant.state == State.COMPLETE:
            raise errors.AlreadyComplete
        if grant.state == State.ISSUED:
            grant.move_to(State.CANCELLED)
            grant.end = ends.given_up(because)
            grant.save()
            record(who, Action.GRANT_CANCELLED, "grant", grant.id, person=grant.uploader)
        if grant.expires_at > timezone.now() - revoking.LATE:
            revoking.take_back(grant, revoking.CANCELLED)
            revoking.tell_behind_the_commit()
    return grant


def expire(grant: Grant, *, who: Who) -> bool:
    """Its time ran out and nothing was stored. False when something else happened to it meanwhile."""
    with transaction.atomic():
        grant = _for_update(grant.id)
        if grant.state != State.ISSUED:
            return False
        grant.move_to(State.EXPIRED)
        grant.save()
        record(who, Action.GRANT_EXPIRED, "grant", grant.id, person=grant.uploader)
    return True


def complete(text: str, *, uploader: User | None, who: Who, api_key: ApiKey | None = None) -> StoredUpload:
    """Take a receipt; the same one again changes nothing. With `uploader`, only for a grant of theirs, with `api_key` in its scope.
    The grant is complete with the last upload that it allows.

    Raises ReceiptInvalid, ReceiptUnknownGrant, ReceiptMismatch, or AlreadyComplete for one upload too many.
    """
    try:
        receipt = receipt_verifier().verify(text)
    except ReceiptError as exc:
        counted.receipts.labels(exc.code).inc()
        raise errors.ReceiptInvalid(reason=exc.code) from exc
    counted.receipts.labels("verified").inc()
    with transaction.atomic():
        grant = _for_update(uuid.UUID(receipt.grant), policies.visible_to(uploader, api_key) if uploader else None)
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
        record(who, Action.UPLOAD_STORED, "upload", upload.upload_id, person=grant.uploader)
        if len(stored) + 1 == grant.max_uploads:
            grant.move_to(State.COMPLETE)
            grant.save()
            record(who, Action.GRANT_COMPLETED, "grant", grant.id, person=grant.uploader)
    return upload


def _for_update(grant_id: uuid.UUID, among: QuerySet[Grant] | None = None) -> Grant:
    rows = Grant.objects.select_for_update(of=("self",)).select_related("collection", "uploader").filter(pk=grant_id)
    grant = (rows if among is None else rows.filter(pk__in=among.values("pk"))).first()
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
            counted.receipts.labels("mismatch").inc()
            raise errors.ReceiptMismatch(claim=claim)
