"""The views of the uploads listener, which take bodies: begin an upload, append to one.

nginx has taken the token out of the URL and sends it as a Bearer token, so no path of this tier holds one.
"""

import uuid
from functools import partial

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from services_app.tokens.claims import Claims

from . import actions, errors, policies, recover, render
from .content import concat, ends
from .content.receive import Append, receive
from .models import Protocol, Upload
from .ownership import leases, takeover
from .ownership.places import places
from .protocols import ietf, tus, whole
from .states import State
from .tidy import tidying
from .wire import digests, headers, itself
from .wire.body import RequestBody
from .wire.callers import from_nginx, token_claims
from .wire.pace import Pace


@from_nginx
def begin(request):
    """`PUT /u`: a whole file. `POST /u` (and an IETF `PUT /u`): a new upload, with or without its first bytes."""
    if request.method not in ("PUT", "POST"):
        raise errors.MethodNotAllowed("PUT", "POST", "GET", "HEAD", "OPTIONS")
    claims, meta = token_claims(request), request.META
    _speak(request, claims)
    rest = itself.check(request.method, meta)
    if rest is not None:
        recover.settle_stale_uploads_of(claims.jti, claims)
        upload = policies.upload_of_rest(claims, rest.length, rest.offset)
        request.upload_id = upload.id
        return _go_on(request, upload, claims, rest.offset, whole.rest(meta, upload), status=201)
    new, append = _parsed(request, claims)
    policies.may_upload(claims, new.length, part=new.concat == "partial", final=new.concat.startswith("final;"))
    unsettled = recover.settle_stale_uploads_of(claims.jti, claims)
    try:
        upload = _begin(request, claims, new, append)
    except errors.UploadInProgress as exc:
        if unsettled:  # whose place it would have been
            raise unsettled[0] from exc
        raise
    return _answer(request, upload, claims, status=201)


def _begin(request, claims: Claims, new: actions.NewUpload, append: Append) -> Upload:
    size = _body_size(request.META)
    if new.concat.startswith("final;"):
        if size != 0:
            raise errors.RequestMalformed
        _compare_with_nothing(append)
        upload = concat.create_final(claims, new, headers.base(request.META), itself.totals(request.META))
        request.upload_id = upload.id
        return upload
    if size != 0 and new.protocol == Protocol.TUS:
        tus.check_body_type(request.META)
    if (size or 0) > (policies.size_limit(claims) if new.length is None else new.length):
        raise errors.TooLarge(policies.size_limit(claims))
    is_whole = append.final or (append.by_length and new.length == 0)
    receiving = size != 0 or is_whole or append.is_held_back
    upload, gave_way = actions.create(claims, new, receiving=receiving, bringing=size or 0)
    request.upload_id = upload.id
    for waiting in gave_way:
        ends.discard_aborted(waiting)
    if receiving:
        try:
            _receive(request, upload, claims, append)
        finally:
            ends.discard_ended(upload)
        if upload.state == State.ABORTED:  # it brought nothing, and another one waits
            raise errors.NothingCame
    return upload


@from_nginx
def append(request, upload_id: uuid.UUID):
    """`PATCH /u/<upload_id>`: more bytes, at the offset where the upload stands."""
    if request.method != "PATCH":
        raise errors.MethodNotAllowed("PATCH", "GET", "HEAD", "DELETE", "OPTIONS")
    claims, meta = token_claims(request), request.META
    if ietf.is_spoken(meta):
        request.extra_headers["Upload-Complete"] = "?0"
        _tell_limits(request, claims)
    else:
        _speak_tus(request)
    upload = policies.own_upload(claims, upload_id)
    request.upload_id = upload.id
    itself.check(request.method, meta)
    if upload.concat.startswith("final;"):
        raise errors.FinalUpload
    try:
        offset, append = _parsed_append(meta, upload)
    except errors.Problem:
        _tell_expiry(request, upload, claims)
        raise
    if upload.state == State.WAITING and upload.is_all(upload.offset):
        recover.finish(upload, claims)
        upload = policies.own_upload(claims, upload_id)
    size = _body_size(meta)
    if upload.state == State.COMMITTED and not upload.terminated:
        if offset != upload.offset:
            raise errors.WrongOffset(upload.offset, offset)
        if size == 0 and append.final == ietf.is_spoken(meta):
            itself.check_totals(meta, ietf.total_length(meta, offset), upload.offset)
            _compare_with_stored(upload, append)
            return _answer(request, upload, claims, status=204)  # the answer to its last append was lost
    return _go_on(request, upload, claims, offset, append, status=204)


def _go_on(request, upload: Upload, claims: Claims, offset: int, append: Append, *, status: int) -> HttpResponse:
    """Take this upload over and append to it, if it stands at `offset`."""
    if leases.has_expired(upload):
        recover.settle(upload)
    # nginx's question counted the places of every process a moment ago.
    with places.held(claims.sub, upload.id):
        return _append(request, upload, claims, offset, append, status=status)


def _append(request, upload: Upload, claims: Claims, offset: int, append: Append, *, status: int) -> HttpResponse:
    size = _body_size(request.META)
    policies.may_append(claims, upload, size, has_place=True)
    upload = takeover.seize(upload, _retrievals(request.META), partial(policies.room_of, claims, size))
    try:
        if upload.offset != offset:
            raise errors.WrongOffset(upload.offset, offset)
        _check_room(request, upload, claims, size)
        _learn_length(request, upload, claims)
        _check_room(request, upload, claims, size)  # with the length that is known now
    except errors.LengthExceeded as exc:
        with tidying(upload.id):
            ends.give_up(upload, exc.code)
        raise
    except BaseException:
        with tidying(upload.id):
            actions.wait(upload)
        _tell_expiry(request, upload, claims)
        raise
    _receive(request, upload, claims, append)
    return _answer(request, upload, claims, status=status)


def _speak(request, claims: Claims) -> None:
    """What the protocol of a creation wants in every answer. Raises VersionUnsupported or RequestMalformed."""
    if ietf.is_spoken(request.META):
        request.extra_headers["Upload-Complete"] = "?0"
        _tell_limits(request, claims)
        ietf.check_mark(request.META)
    elif tus.is_spoken(request.META) and (request.method == "POST" or "HTTP_TUS_RESUMABLE" in request.META):
        _speak_tus(request)


def _parsed(request, claims: Claims) -> tuple[actions.NewUpload, Append]:
    meta = request.META
    if ietf.is_spoken(meta):
        asked = ietf.asked(meta)
        return ietf.new_upload(meta, asked), ietf.append(meta, asked, creating=True)
    if request.method == "PUT":
        asked = whole.asked(meta)
        return whole.new_upload(meta, asked, claims.length), whole.append(meta, asked)
    if tus.is_spoken(meta):
        asked = tus.asked(meta)
        return tus.new_upload(meta, asked), tus.append(asked, creating=True)
    if tus.is_meant(meta):
        _speak_tus(request)
    raise errors.NoProtocol


def _retrievals(meta: dict) -> int | None:
    """What `authorize` told nginx when this request arrived there."""
    told = meta.get("HTTP_X_UPLOAD_RETRIEVALS", "")
    return headers.whole_number(told) if told else None


def _parsed_append(meta: dict, upload: Upload) -> tuple[int, Append]:
    asked = digests.asked(meta, digests.Brings.MORE, sha512=bool(upload.expected_sha512))
    if ietf.is_spoken(meta):
        offset = ietf.number(meta, "HTTP_UPLOAD_OFFSET")
        if offset is None:
            raise errors.RequestMalformed
        ietf.check_body_type(meta)
        return offset, ietf.append(meta, asked)
    tus.check_body_type(meta)
    return tus.number(meta.get("HTTP_UPLOAD_OFFSET", "")), tus.append(asked)


def _compare_with_nothing(append: Append) -> None:
    """Raises ChecksumDiffers for a request without a body that names the digest of another one."""
    if others := digests.of_bytes(append.checksums, b""):
        raise errors.of_differing(others)


def _compare_with_stored(upload: Upload, append: Append) -> None:
    """The same for an append whose upload is complete already. Raises ChecksumDiffers or LastBytesDiffer."""
    _compare_with_nothing(append)
    stored = {"sha256": bytes.fromhex(upload.sha256), "sha512": bytes.fromhex(upload.expected_sha512)}
    if others := digests.differing(append.whole, stored):
        raise errors.LastBytesDiffer(*others)


def _tell_limits(request, claims: Claims) -> None:
    """The draft wants them beside a 413 at least."""
    if ietf.is_spoken(request.META):
        request.extra_headers["Upload-Limit"] = ietf.limits(policies.size_limit(claims))


def _receive(request, upload: Upload, claims: Claims, append: Append) -> None:
    request.body_reader = RequestBody(request.META, _body_size(request.META), pace())
    try:
        receive(upload, request.body_reader, claims, append)
    except errors.Problem as exc:
        if ietf.is_spoken(request.META) and ietf.is_of_the_target(exc):
            request.extra_headers["Upload-Complete"] = "?1"
        _tell_expiry(request, upload, claims)
        raise


def _tell_expiry(request, upload: Upload, claims: Claims) -> None:
    """tus wants it in every answer to an append, refusals included."""
    if tus.is_spoken(request.META):
        request.extra_headers.update(tus.expires(policies.reachable_until(claims, upload)))


def _speak_tus(request) -> None:
    request.extra_headers["Tus-Resumable"] = tus.VERSION
    tus.check_version(request.META)


def _learn_length(request, upload: Upload, claims: Claims) -> None:
    """Take the length that this request brings, if it agrees with what is known. Raises a Problem."""
    if ietf.is_spoken(request.META):
        length = ietf.total_length(request.META, upload.offset)
        if length is None and upload.length is None and ietf.completeness(request.META):
            length = next(iter(itself.totals(request.META)), None)  # with this request it must be reached
        if length is not None and (upload.length not in (None, length) or length < upload.offset):
            raise errors.InconsistentLength
    elif request.method == "PUT":
        length = whole.learnt_length(request.META, upload)
    else:
        length = tus.learnt_length(request.META, upload)
    if upload.concat != "partial":  # whose length is its own
        itself.check_totals(request.META, length, upload.length)
    if length is not None and upload.length is None:
        policies.check_length(claims, length, part=upload.concat == "partial")
        if length > policies.most_bytes(claims, upload):
            raise errors.AppendTooLarge
        if claims.quotas and length > upload.spoken_for:
            actions.speak_for(upload, claims, length)  # counted before it is promised, as that of a creation
        upload.length = length  # saved together with the bytes that come with it


def _check_room(request, upload: Upload, claims: Claims, size: int | None) -> None:
    """Refuse at the header what would go beyond the length or the limit. Raises TooLarge or InconsistentLength."""
    if size is None:
        return
    if upload.length is not None and upload.offset + size > upload.length:
        raise errors.LengthExceeded if ietf.is_spoken(request.META) else errors.AppendTooLarge
    if upload.offset + size > policies.most_bytes(claims, upload):
        raise errors.TooLarge(policies.size_limit(claims))


def _body_size(meta: dict) -> int | None:
    """Bytes, None for a chunked body; a request that says neither has none."""
    length, coding = meta.get("CONTENT_LENGTH", ""), meta.get("HTTP_TRANSFER_ENCODING", "")
    return headers.body_length(length, coding) if length or coding else 0


def _answer(request, upload: Upload, claims: Claims, *, status: int) -> HttpResponse:
    """What came of a request that went well: the receipt, or where to go on."""
    meta, done, until = request.META, upload.state == State.COMMITTED, policies.reachable_until(claims, upload)
    if ietf.is_spoken(meta):
        request.extra_headers.update(ietf.state_headers(upload, policies.size_limit(claims), until))
        status = 201 if done else status
    elif tus.is_spoken(meta):
        request.extra_headers.update({"Upload-Offset": str(upload.offset), **tus.expires(until)})
    if done:
        request.extra_headers["Repr-Digest"] = headers.digest_field(upload.sha256)
    if status == 201:
        request.extra_headers["Location"] = f"{headers.base(meta)}/{upload.id}"
    return JsonResponse(render.one(upload), status=status) if done and status != 204 else HttpResponse(status=status)


def pace() -> Pace:
    """How slow a sender may be here."""
    return Pace(
        idle_timeout=settings.UPLOAD_IDLE_TIMEOUT,
        min_rate=settings.UPLOAD_MIN_RATE,
        window=settings.UPLOAD_MIN_RATE_WINDOW,
        scarce_rate=settings.UPLOAD_MIN_RATE_SCARCE,
        is_scarce=lambda: places.are_scarce,
        deadline=settings.UPLOAD_DEADLINE,
    )
