"""May this begin? One question, asked by pre-authorisation, by the page's small request and by the PUT itself."""

import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery, Sum
from django.utils import timezone

from services_app.revocations import heard
from services_app.store.current import current_store
from services_app.store.errors import CollectionBarred, StoreError, StoreFull
from services_app.tokens.claims import Claims
from services_app.tokens.errors import TokenBinding, TokenExpired
from services_app.tokens.names import NamesClaims
from services_app.tokens.verify import check_start_by

from . import bounds, errors, filled, quotas
from .models import Grant, Unpacking, Upload
from .ownership import leases, places
from .states import RUNNING, State

MAX_PARTS = 256
NAMED_OF_GRANT = 5

# How long an upload counts as under way between two of its requests.
_UNDER_WAY_FOR = timedelta(seconds=60)


def check_revoked(claims: Claims, *, reading: dict | None = None) -> None:
    """Raises GrantRevoked, TokenExpired where this token alone was taken back, so that a renewed one goes on, or TokenBinding where
    the browser that it is bound to has been signed out.

    `reading`: the upload whose state is asked for, by its `id`; without one any. A receipt that was given stays true, so what is
    stored is shown.
    """
    problem = refusal_of(claims, heard.among(heard.subjects_of(claims)))
    if problem is None:
        return
    is_stored = (
        reading is not None and Upload.objects.filter(**reading, grant_id=claims.jti, state=State.COMMITTED).exists()
    )
    if not is_stored or isinstance(problem, TokenBinding):
        raise problem


def check_signed_in(cookie_sha256: str) -> None:
    """Raises TokenBinding where the browser that a names token is bound to has been signed out."""
    if heard.among([cookie_sha256]):
        raise TokenBinding


def refusal_of(claims: Claims, revoked: set[str]) -> Exception | None:
    """What is told under these claims when some of their subjects are `revoked`; None where it is others that are."""
    told = zip(heard.subjects_of(claims), (errors.GrantRevoked, TokenExpired, TokenBinding), strict=False)
    return next((problem() for subject, problem in told if subject in revoked), None)


def may_upload(claims: Claims, length: int | None, *, part: bool = False, final: bool = False) -> None:
    """Raise the Problem that an upload of `length` bytes (None: not known yet) under these claims meets, if any.

    With `part` it is one part of a concatenation, which needs no slot and has a length of its own; `final` is what parts become.

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
    bounds.check(claims, length, gives_way)
    size = 0 if final else length
    quotas.check(claims, size, objects=0 if part else 1, besides=[upload.id for upload in gives_way])
    try:
        current_store().check(claims.collection, inodes=settings.UPLOAD_INODE_RESERVE)
        if not current_store().has_collection(claims.collection):
            raise errors.StoreUnavailable if filled.holds(claims.collection) else errors.CollectionUnknown
        _check_space(length or 0, claims.sub, besides=gives_way)
    except CollectionBarred as exc:
        raise errors.Unstorable from exc  # nothing is at stake yet; what was acknowledged waits until the collection is moved
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def may_concatenate(claims: Claims, length: int, parts: Iterable[uuid.UUID]) -> None:
    """The same of `parts` that hold `length` bytes together, whose number was not known at the door."""
    check_length(claims, length)
    _, gives_way = slot_for(claims)
    bounds.check(claims, length, gives_way)
    quotas.check(claims, length, besides=[*parts, *(upload.id for upload in gives_way)])
    try:
        _check_space(length, claims.sub, besides=gives_way)
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def may_append(claims: Claims, upload: Upload, size: int | None, *, has_place: bool = False) -> None:
    """Raise the Problem that `size` more bytes for this upload meet under these claims, if any, whatever its offset.

    `has_place`: the request was judged at the door, and holds one already. A request that takes over from an older one of the same
    upload needs no other.
    """
    if upload.stands_aside:
        raise errors.UploadInProgress
    _check_that_it_allows(claims, upload)
    room = size if upload.length is None else upload.length - upload.offset  # more than that is too large anyway
    if not has_place:
        places.check(*leases.count_receiving(upload.grant.sub, besides=upload.id))
        for counted in (bounds, quotas):
            counted.check_more(claims, upload, upload.offset + min(size or 0, room or 0))
    try:
        current_store().check(upload.grant.collection)
        _check_space(min(size or 0, room or 0), upload.grant.sub, younger_than=upload)
    except StoreError as exc:
        raise errors.of_store(exc) from exc


def _check_that_it_allows(claims: Claims, upload: Upload) -> None:
    """Whether the token with which a request comes allows an unfinished upload as it was begun, perhaps under an older one that
    allowed more. What was acknowledged stays either way. Raises TooLarge, LengthDiffers or AlreadyCommitted.
    """
    if upload.state not in (State.WAITING, *RUNNING):
        return
    _check_slots(claims, upload)
    part, length = upload.concat == "partial", upload.offset if upload.length is None else upload.length
    if upload.length is not None:
        check_length(claims, length, part=part)
    if length > (_room_for_parts(claims, upload.id) if part else size_limit(claims)):
        raise errors.TooLarge


def _check_slots(claims: Claims, upload: Upload) -> None:
    """Whether this one may become an object beside those that are, or may be any moment: as many as the token allows, whatever
    an older one allowed. Raises AlreadyCommitted, or UploadInProgress while others run.
    """
    others = Upload.objects.filter(grant_id=claims.jti, slot__isnull=False).exclude(id=upload.id)
    if others.count() < claims.max_uploads:
        return
    left = claims.max_uploads - _committed(claims).count()
    if left <= 0:
        raise errors.AlreadyCommitted
    if upload.concat == "partial":
        return
    running = others.filter(state__in=RUNNING).only(*leases.FIELDS)
    if sum(not leases.is_abandoned(other) for other in running) >= left:
        raise errors.UploadInProgress


def room_of(claims: Claims, size: int | None, upload: Upload) -> int:
    """How many bytes the upload may hold with `size` more, if that is known: what is over its limits is refused with a better word.
    In the person's turn, in which its rivals are counted once more. Raises as check_more, and as _check_slots.
    """
    _check_slots(claims, upload)
    return check_more(claims, upload, min(upload.offset + size, most_bytes(claims, upload))) if size else 0


def check_more(claims: Claims, upload: Upload, size: int, *, ahead: int = 0) -> int:
    """May it hold `size` bytes, in the person's turn? How many it may, of `size` and so many `ahead`. Raises TooMuchUnfinished, or
    QuotaExceeded.
    """
    quotas.take_turn(claims)
    return min(counted.check_more(claims, upload, size, ahead=ahead) for counted in (bounds, quotas))


def check_room_left(upload: Upload) -> None:
    """Asked while bytes come in of which nobody said how many there would be. Raises StoreFull: what was promised stays."""
    try:
        _check_space(0, upload.grant.sub, younger_than=upload)
    except errors.NoSpace as exc:
        raise StoreFull("reserve") from exc


def check_room_for_tree(size: int) -> None:
    """Whether a folder of this size may be unpacked: uploads under way were promised their room before. Raises StoreFull,
    StoreUnavailable.
    """
    free = current_store().free_bytes() - settings.UPLOAD_SPACE_RESERVE
    if free < size + sum(upload.length - upload.offset for upload in _under_way(None, [])):
        raise StoreFull("reserve")


def own_upload(claims: Claims, upload_id: uuid.UUID) -> Upload:
    """The upload of this id, if the token speaks for it. Raises UploadUnknown or UploadNotYours."""
    if claims.upload_id not in (None, upload_id):
        raise errors.UploadNotYours
    try:
        return Upload.objects.select_related("grant").get(id=upload_id, grant_id=claims.jti)
    except Upload.DoesNotExist as exc:
        raise errors.UploadUnknown from exc


def named_uploads(claims: NamesClaims) -> list[Upload]:
    """Those that a names token lists; of a grant the newest few that are not stored, since the web tier knows the stored ones by
    their own ids. Whatever ids stand in it: only uploads of the person whom the token names, or where it names a collection, because
    its coordinator asks, only those of that collection.
    """
    uploads = Upload.objects.select_related("grant", "unpacking").exclude(concat="partial")
    within = {"collection": claims.collection} if claims.collection is not None else {"sub": claims.sub}
    stored = uploads.filter(id__in=claims.uploads, **{f"grant__{name}": value for name, value in within.items()})
    # Of the many rows that a grant may have, those alone are read: where they begin is told by the index.
    newest = Upload.objects.filter(grant=OuterRef("pk"), durable_at=None).exclude(concat="partial").order_by("-id")
    grants = Grant.objects.filter(id__in=claims.grants, **within)
    begins = grants.annotate(begin=Subquery(newest.values("id")[NAMED_OF_GRANT - 1 : NAMED_OF_GRANT])).values_list("id", "begin")
    ranges = [Q(grant_id=grant_id, id__gte=begin or uuid.UUID(int=0)) for grant_id, begin in begins]
    begun = uploads.filter(reduce(or_, ranges), durable_at=None).order_by("-id") if ranges else []
    return [*stored, *begun]


def upload_of_rest(claims: Claims, length: int, offset: int) -> Upload:
    """The upload that the rest of a file of `length` bytes goes on with from `offset`: the one of this length that waits or
    runs. Of several none is guessed.

    Raises WrongOffset (0 where nothing is there to go on with), InconsistentLength, PartialBody where it may be any of
    several, UploadInProgress while it is being stored, and whatever may_upload raises.
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
    (upload,) = found
    if upload.state == State.COMMITTING and not leases.is_abandoned(upload):
        raise errors.UploadInProgress
    if upload.state != State.COMMITTING and (stands := _stands_at(upload)) != offset:
        raise errors.WrongOffset(stands, offset)
    return upload


def _stands_at(upload: Upload) -> int:
    """The offset from which it can be gone on with: behind all that a request has brought which still sends it.

    Whoever names another one does not know of that request, and must not end it. Raises StoreUnavailable, and UploadInProgress
    where that is all: who is told so takes it for stored.
    """
    stands = upload.offset
    if upload.state == State.RECEIVING and not leases.is_abandoned(upload):
        stands = max(stands, current_store().staged_size(upload.id) or 0)
    if upload.is_all(stands):
        raise errors.UploadInProgress
    return stands


def check_length(claims: Claims, length: int, *, part: bool = False) -> None:
    """Raises LengthDiffers or TooLarge."""
    if claims.length not in (None, length) and not part:
        raise errors.LengthDiffers
    if length > (limit := size_limit(claims)):
        raise errors.TooLarge(limit)


def check_parts(claims: Claims, length: int | None) -> None:
    """All parts of a grant together may hold what its uploads may hold, in a bounded number, and each needs a place like an upload.
    Raises as slot_for.
    """
    if not Grant.objects.filter(id=claims.jti, first_used_at__isnull=False).exists():
        check_start_by(claims, timezone.now().timestamp())
    places.check(*leases.count_receiving(claims.sub))
    if _committed(claims).count() >= claims.max_uploads:
        raise errors.AlreadyCommitted
    if _parts(claims).count() >= MAX_PARTS or (length or 0) > _room_for_parts(claims):
        raise errors.TooLarge


def _committed(claims: Claims):
    return Upload.objects.filter(grant_id=claims.jti, slot__isnull=False, state__in=(State.COMMITTED, State.DELETED))


def _parts(claims: Claims):
    return Upload.objects.filter(grant_id=claims.jti, concat="partial", state__in=(State.WAITING, *RUNNING))


def _room_for_parts(claims: Claims, besides: uuid.UUID | None = None) -> int:
    """Bytes that are left for parts; one whose length is not known yet counts with what it has, or its request has spoken for."""
    others = _parts(claims).exclude(id=besides)
    held = sum(other.held if other.length is None else other.length for other in others)
    return claims.max_uploads * size_limit(claims) - held


def _check_space(size: int, sub: str, *, besides: list[Upload] = (), younger_than: Upload | None = None) -> None:
    """Raises NoSpace where `size` more bytes of this person would leave too little for what older uploads under way have announced.

    The older one goes first, so that of several which together do not fit some come to their end; left alone each would fill the
    store a little, and none could go on. By default all are older. What those `besides` would yet need is not needed, since they give
    way to this one; but what they have is promised, and stays until it is accepted.

    Announcing costs nothing. So what a person announced counts in full for that person, and for another one as far as the person's
    share of what is free, by heads (ADR 0027).
    """
    store = current_store()
    free = store.free_bytes() - settings.UPLOAD_SPACE_RESERVE - _room_for_trees()
    older = _under_way(younger_than, besides)
    if free >= size + sum(upload.length - upload.offset for upload in older):
        return
    # More exactly: since the last checkpoint some of that has come in, and is no longer free.
    missing = Counter()
    for upload in older:
        missing[upload.grant.sub] += upload.length - _staged(upload)
    if free >= size + missing.total():
        return
    own, has = missing.pop(sub, 0), 0
    if younger_than is not None and missing:
        has = _staged(younger_than)
        if younger_than.length is not None:
            size = max(size, younger_than.length - has)  # what cannot be stored takes no room from others
    share = max(0, (free + has) // (len(missing) + 1))
    left = free - own - sum(min(each, share) for each in missing.values())
    if not missing or size > left:
        raise errors.NoSpace(max(left, 0))


def _room_for_trees() -> int:
    """Bytes that stored folders will take a second time, as they are unpacked: their archives came first (ADR 0044)."""
    due = Unpacking.objects.filter(done_at=None, fault__in=Unpacking.PASSING, upload__state=State.COMMITTED)
    return due.aggregate(size=Sum("upload__size"))["size"] or 0


def _staged(upload: Upload) -> int:
    """Bytes that are there. Only of one that is being received it may be more than are safe."""
    if upload.state != State.RECEIVING:
        return upload.offset
    return max(upload.offset, current_store().staged_size(upload.id) or 0)


def _under_way(younger_than: Upload | None, besides: list[Upload]) -> list[Upload]:
    """Uploads of known length that are being sent, or were a moment ago."""
    now = leases.now()
    lately = Q(state=State.RECEIVING) | Q(state=State.WAITING, lease_until__gt=now - _UNDER_WAY_FOR)
    found = Upload.objects.filter(lately, length__isnull=False).exclude(id__in=[upload.id for upload in besides])
    found = found.select_related("grant").only("grant__sub", "offset", "length", *leases.FIELDS)
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
    """The most bytes that this upload may come to hold under these claims: its length, as soon as that is known."""
    limit = size_limit(claims)
    if upload.concat == "partial":
        limit = min(limit, _room_for_parts(claims, upload.id))
    return limit if upload.length is None else min(limit, upload.length)


def slot_for(claims: Claims, *, settled: bool = False) -> tuple[int, list[Upload]]:
    """The lowest free slot of the grant, counted from 0, and the waiting upload that has to give way for it, if any.

    A running upload that was abandoned holds none, since it is settled before the next one begins; with `settled` that was tried,
    and one that could not be may still become an object. Raises TokenStartBy, AlreadyCommitted, UploadInProgress, Busy
    or ShareTaken.
    """
    if not Grant.objects.filter(id=claims.jti, first_used_at__isnull=False).exists():
        check_start_by(claims, timezone.now().timestamp())
    places.check(*leases.count_receiving(claims.sub))
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
