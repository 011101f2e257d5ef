"""May this begin? One question, asked by pre-authorisation, by the page's small request and by the PUT itself."""

import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.tokens.claims import Claims
from services_app.tokens.verify import check_start_by

from . import errors
from .models import Grant, Upload
from .ownership import leases
from .states import RUNNING, State

MAX_PARTS = 256

# How long an upload counts as under way between two of its requests.
_UNDER_WAY_FOR = timedelta(seconds=60)


def may_upload(claims: Claims, length: int | None, *, part: bool = False) -> bool:
    """Raise the Problem that an upload of `length` bytes (None: not known yet) under these claims meets, if any.

    Returns whether there is only room for it once what gives way for it is gone. With `part` it is one part of a concatenation,
    which needs no slot and has a length of its own.

    Asked again inside the transaction that claims the grant, where the answer counts. Raises TokenStartBy too.
    """
    if claims.upload_id is not None:
        raise errors.UploadNotYours
    if length is not None:
        check_length(claims, length, part=part)
    gives_way = []
    if part:
        check_parts(claims, length)
    else:
        _, gives_way = slot_for(claims)
    try:
        current_store().check(claims.collection, makes_room=bool(gives_way))
        if not current_store().has_collection(claims.collection):
            raise errors.CollectionUnknown
        return _check_space(length or 0, freed=gives_way)
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def may_append(upload: Upload, size: int | None, *, others: int | None = None) -> None:
    """Raise the Problem that `size` more bytes for this upload meet, if any, whatever its offset.

    `others` is how many uploads this process receives besides; by default those of all processes are counted.
    """
    if upload.stands_aside:
        raise errors.UploadInProgress
    if others is None:
        others = leases.count_receiving(besides=upload.id)
    _check_admission(others)
    room = size if upload.length is None else upload.length - upload.offset  # more than that is too large anyway
    try:
        current_store().check(upload.grant.collection)
        _check_space(min(size or 0, room or 0), younger_than=upload)
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def own_upload(claims: Claims, upload_id: uuid.UUID) -> Upload:
    """The upload of this id, if the token speaks for it. Raises UploadUnknown or UploadNotYours."""
    if claims.upload_id not in (None, upload_id):
        raise errors.UploadNotYours
    try:
        return Upload.objects.select_related("grant").get(id=upload_id, grant_id=claims.jti)
    except Upload.DoesNotExist as exc:
        raise errors.UploadUnknown from exc


def upload_of_rest(claims: Claims, length: int, offset: int) -> Upload:
    """The upload that the rest of a file of `length` bytes goes on with from `offset`: the one of this length that waits or
    runs. Of several none is guessed.

    Raises WrongOffset (0 where nothing is there to go on with), InconsistentLength, PartialBody where it may be any of
    several, and whatever may_upload raises.
    """
    check_length(claims, length)
    if claims.upload_id is not None:
        upload = own_upload(claims, claims.upload_id)
        if upload.state not in (State.WAITING, *RUNNING):
            raise errors.of_ended(upload)
    of_grant = Upload.objects.filter(state__in=(State.WAITING, *RUNNING), grant_id=claims.jti, concat="")
    of_grant = of_grant if claims.upload_id is None else of_grant.filter(id=claims.upload_id)
    uploads = [upload for upload in of_grant if not upload.stands_aside and not leases.has_expired(upload)]
    if not uploads:
        may_upload(claims, length)
        raise errors.WrongOffset(0, offset)
    found = [upload for upload in uploads if upload.length in (None, length)]
    if not found:
        raise errors.InconsistentLength
    if len(found) > 1:
        raise errors.PartialBody
    if found[0].state == State.WAITING and found[0].offset != offset:
        raise errors.WrongOffset(found[0].offset, offset)
    return found[0]


def check_length(claims: Claims, length: int, *, part: bool = False) -> None:
    """Raises LengthDiffers or TooLarge."""
    if claims.length not in (None, length) and not part:
        raise errors.LengthDiffers
    if length > size_limit(claims):
        raise errors.TooLarge


def check_parts(claims: Claims, length: int | None) -> None:
    """All parts of a grant together may hold what its uploads may hold, in a bounded number. Raises as slot_for."""
    if not Grant.objects.filter(id=claims.jti, first_used_at__isnull=False).exists():
        check_start_by(claims, timezone.now().timestamp())
    done = Upload.objects.filter(grant_id=claims.jti, slot__isnull=False, state__in=(State.COMMITTED, State.DELETED))
    if done.count() >= claims.max_uploads:
        raise errors.AlreadyCommitted
    if _parts(claims).count() >= MAX_PARTS or (length or 0) > _room_for_parts(claims):
        raise errors.TooLarge


def _parts(claims: Claims):
    return Upload.objects.filter(grant_id=claims.jti, concat="partial", state__in=(State.WAITING, *RUNNING))


def _room_for_parts(claims: Claims, besides: uuid.UUID | None = None) -> int:
    """Bytes that are left for parts; one whose length is not known yet counts with what it has."""
    others = _parts(claims).exclude(id=besides).values_list("length", "offset")
    held = sum(offset if length is None else length for length, offset in others)
    return claims.max_uploads * size_limit(claims) - held


def _check_admission(others: int) -> None:
    """Raises Busy. A request that takes over from an older one of the same upload adds none to the others."""
    if others >= settings.UPLOAD_MAX_CONCURRENT:
        raise errors.Busy


def _check_space(size: int, *, freed: list[Upload] = (), younger_than: Upload | None = None) -> bool:
    """Whether there is only room once those in `freed` are gone. Raises NoSpace where `size` more bytes would leave too little for
    what older uploads under way have announced.

    The older one goes first, so that of several which together do not fit some come to their end; left alone each would fill the
    store a little, and none could go on. By default all are older. `freed` give way to this request, so theirs is room.
    """
    store = current_store()
    room = store.free_bytes() - settings.UPLOAD_SPACE_RESERVE - size
    if makes_room := room < 0:
        room += sum(store.staged_size(upload.id) or 0 for upload in freed)
    under_way = _under_way(younger_than, freed)
    missing = [upload.length - upload.offset for upload in under_way]
    if room >= sum(missing):
        return makes_room
    # More exactly: since the last checkpoint some of that has come in, and is no longer free.
    missing = [upload.length - max(upload.offset, store.staged_size(upload.id) or 0) for upload in under_way]
    if room < sum(missing):
        raise errors.NoSpace
    return makes_room


def _under_way(younger_than: Upload | None, besides: list[Upload]) -> list[Upload]:
    """Uploads of known length that are being sent, or were a moment ago."""
    now = leases.now()
    lately = Q(state=State.RECEIVING) | Q(state=State.WAITING, lease_until__gt=now - _UNDER_WAY_FOR)
    found = Upload.objects.filter(lately, length__isnull=False).exclude(id__in=[upload.id for upload in besides])
    found = found.only("offset", "length", *leases.FIELDS)
    if younger_than is not None:
        found = found.filter(id__lt=younger_than.id)
    return [upload for upload in found if upload.state == State.WAITING or not leases.is_abandoned(upload, now)]


def reachable_until(claims: Claims, upload: Upload) -> datetime | None:
    """When this token can do no more for an upload that waits for more; None for one that is complete or has ended.

    Its URL holds the token, so it ends with that, if its idle end does not come first. A renewed token brings another URL.
    """
    if upload.state not in (State.WAITING, State.RECEIVING):
        return None
    return min(upload.expires_at, datetime.fromtimestamp(claims.exp, UTC))


def hard_limit(claims: Claims) -> int:
    """The most bytes that a file may have, whatever length the grant names."""
    return min(claims.max_size, settings.UPLOAD_MAX_SIZE)


def size_limit(claims: Claims) -> int:
    """The most bytes that an upload under these claims may hold."""
    limit = hard_limit(claims)
    return limit if claims.length is None else min(limit, claims.length)


def most_bytes(claims: Claims, upload: Upload) -> int:
    """The most bytes that this upload may come to hold: its length, as soon as that is known."""
    if upload.length is not None:
        return upload.length
    limit = size_limit(claims)
    return min(limit, _room_for_parts(claims, upload.id)) if upload.concat == "partial" else limit


def slot_for(claims: Claims, *, settled: bool = False) -> tuple[int, list[Upload]]:
    """The lowest free slot of the grant, counted from 0, and the waiting upload that has to give way for it, if any.

    A running upload that was abandoned holds none, since it is settled before the next one begins; with `settled` that was tried,
    and one that could not be may still become an object. Raises TokenStartBy, AlreadyCommitted, UploadInProgress or Busy.
    """
    if not Grant.objects.filter(id=claims.jti, first_used_at__isnull=False).exists():
        check_start_by(claims, timezone.now().timestamp())
    _check_admission(leases.count_receiving())
    uploads = Upload.objects.select_related("grant").filter(grant_id=claims.jti, slot__isnull=False).order_by("id")
    held = {u.slot: u for u in uploads if settled or u.state not in RUNNING or not leases.is_abandoned(u)}
    free = next((slot for slot in range(claims.max_uploads) if slot not in held), None)
    if free is not None:
        return free, []
    for slot, upload in held.items():
        if upload.state == State.WAITING:
            return slot, [upload]
    running = any(upload.state in RUNNING for upload in held.values())
    raise errors.UploadInProgress if running else errors.AlreadyCommitted
