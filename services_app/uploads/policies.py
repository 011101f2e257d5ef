"""May this begin? One question, asked by pre-authorisation, by the page's small request and by the PUT itself."""

from django.conf import settings
from django.utils import timezone

from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.tokens.claims import Claims
from services_app.tokens.verify import check_start_by

from . import errors, leases
from .models import Grant, Upload
from .states import RUNNING


def may_upload(claims: Claims, length: int | None) -> None:
    """Raise the Problem that an upload of `length` bytes (None: not known yet) under these claims meets, if any.

    Asked again inside the transaction that claims the grant, where the answer counts. Raises TokenStartBy too.
    """
    if claims.upload_id is not None:
        raise errors.UploadNotYours
    if length is not None:
        if claims.length is not None and claims.length != length:
            raise errors.LengthDiffers
        if length > size_limit(claims):
            raise errors.TooLarge
    free_slot(claims)
    try:
        store = current_store()
        if not store.has_collection(claims.collection):
            raise errors.CollectionUnknown
        if store.free_bytes() < (length or 0) + settings.UPLOAD_SPACE_RESERVE:
            raise errors.NoSpace
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def size_limit(claims: Claims) -> int:
    """The most bytes that an upload under these claims may hold."""
    limit = min(claims.max_size, settings.UPLOAD_MAX_SIZE)
    return limit if claims.length is None else min(limit, claims.length)


def free_slot(claims: Claims) -> int:
    """The lowest free slot of the grant, counted from 0.

    A running upload that was abandoned holds none, since it is settled before the next one begins. Raises
    TokenStartBy, AlreadyCommitted, UploadInProgress or Busy.
    """
    now = timezone.now()
    if not Grant.objects.filter(id=claims.jti, first_used_at__isnull=False).exists():
        check_start_by(claims, now.timestamp())
    uploads = Upload.objects.filter(grant_id=claims.jti, slot__isnull=False)
    held = {u.slot: u.state for u in uploads if u.state not in RUNNING or not leases.is_abandoned(u, now)}
    free = next((slot for slot in range(claims.max_uploads) if slot not in held), None)
    if free is None:
        running = any(state in RUNNING for state in held.values())
        raise errors.UploadInProgress if running else errors.AlreadyCommitted
    if leases.count_receiving(now) >= settings.UPLOAD_MAX_CONCURRENT:
        raise errors.Busy
    return free
