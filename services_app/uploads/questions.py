"""The views of the control listener for senders: where does it stand, would you take this, forget it."""

import contextlib
import logging
import uuid

from django.http import HttpResponse, JsonResponse

from services_app.store.current import current_store
from services_app.tokens.claims import Claims

from . import actions, errors, policies, recover, render
from .content import buffers, ends, envelopes, media
from .models import Protocol, Upload
from .ownership import takeover
from .protocols import ietf, tus, whole
from .states import RUNNING, State
from .tidy import tidying
from .wire import digests, headers, itself, middleware
from .wire.answers import problem_response
from .wire.body import RequestBody
from .wire.callers import from_nginx, genuine_claims, names_claims, token_claims
from .wire.pace import Pace
from .wire.shares import unhurried

log = logging.getLogger("sluice.uploads")

COLLECTION = ("PUT", "POST", "GET", "HEAD", "OPTIONS")
CHECK = ("POST",)
NAMES = ("GET",)
ONE_UPLOAD = ("PATCH", "GET", "HEAD", "DELETE", "OPTIONS")

SMALL_BODY = Pace(idle_timeout=10, min_rate=0, window=60, deadline=15)


@from_nginx
def grant_state(request):
    """`GET /u`: the uploads of the token's grant and the last refusal. `OPTIONS /u`: what both protocols can do here."""
    claims = genuine_claims(request)
    policies.check_revoked(claims, reading={} if request.method in ("GET", "HEAD") else None)
    if request.method == "OPTIONS":
        return _options(COLLECTION, claims)
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed(*COLLECTION)
    with _share_of_time(claims):
        return JsonResponse(render.grant(claims.jti, claims))


@from_nginx
def names(request):
    """`GET /u/names`: what the uploads are called, and how far they are, that a names token lists. Disturbs nobody."""
    claims = names_claims(request)
    if request.method not in NAMES:
        raise errors.MethodNotAllowed(*NAMES)
    with unhurried.held(claims.sub):
        return JsonResponse({"uploads": [render.named(upload) for upload in policies.named_uploads(claims)]})


@from_nginx
def one_upload(request, upload_id: uuid.UUID):
    """`GET`, `HEAD`, `DELETE` and `OPTIONS` of `/u/<upload_id>`."""
    claims = genuine_claims(request)
    policies.check_revoked(claims, reading={"id": upload_id} if request.method in ("GET", "HEAD") else None)
    if request.method == "OPTIONS":
        return _options(ONE_UPLOAD, claims)
    if tus.is_other_version(request.META):
        raise errors.VersionUnsupported
    render.settle(claims.jti)
    upload = policies.own_upload(claims, upload_id)
    request.upload_id = upload.id
    if upload.protocol == Protocol.TUS:
        request.extra_headers["Tus-Resumable"] = tus.VERSION
        if request.method != "GET":  # which is no verb of tus: it shows the state to whoever asks
            tus.check_version(request.META)
    if request.method == "DELETE":
        return _cancel(upload)
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed(*ONE_UPLOAD)
    # For the draft a GET asks where to go on just like a HEAD; of every other upload it shows the state and disturbs nobody.
    if request.method == "HEAD" or upload.protocol == Protocol.IETF:
        upload = _standing(upload)
    elif errors.was_given_up(upload):
        raise errors.of_ended(upload)
    # To who speaks tus the length is the end, whoever began it.
    by_length = "HTTP_TUS_RESUMABLE" in request.META
    if upload.state == State.WAITING and upload.is_all(upload.offset, by_length=by_length):
        recover.finish(upload, claims)
        upload = policies.own_upload(claims, upload_id)
        if request.method == "HEAD" and upload.state != State.COMMITTED:
            raise errors.of_ended(upload) if upload.state == State.ABORTED else errors.UploadInProgress
    if upload.state in (State.WAITING, State.COMMITTED):
        request.extra_headers.update(_offset_fields(request, upload, claims))
    return HttpResponse(status=200) if request.method == "HEAD" else JsonResponse(render.one(upload))


def _standing(upload: Upload) -> Upload:
    """The upload where its sender can go on, or complete. A running request is made to let go first, so that the offset
    stays true. Raises UploadInProgress, or the Problem of an upload that has ended.
    """
    with _waiting_for(upload):
        upload = takeover.interrupt(upload.id)
    if upload.state in RUNNING or upload.stands_aside:
        raise errors.UploadInProgress
    if upload.state == State.WAITING and _are_bytes_lost(upload):
        with contextlib.suppress(actions.LeaseLost):
            actions.abort(upload, errors.UploadGone.code)
        raise errors.UploadGone
    if upload.terminated or upload.state not in (State.WAITING, State.COMMITTED):
        raise errors.of_ended(upload)
    return upload


def _waiting_for(upload: Upload) -> contextlib.AbstractContextManager:
    """A request that sends has to let go first, which takes a moment. Raises Busy or ShareTaken."""
    return unhurried.held(upload.grant.sub) if upload.state in RUNNING else contextlib.nullcontext()


def _share_of_time(claims: Claims) -> contextlib.AbstractContextManager:
    """The state of a few uploads is told to whoever asks; many take their time. Raises Busy or ShareTaken."""
    return unhurried.held(claims.sub) if render.is_long(claims.jti) else contextlib.nullcontext()


def _are_bytes_lost(upload: Upload) -> bool:
    """Whether less lies in staging than was promised. Raises StoreUnavailable while nobody can tell."""
    return upload.offset > 0 and not current_store().has_staged(upload.id, upload.offset)


def _offset_fields(request, upload: Upload, claims: Claims) -> dict[str, str]:
    until = policies.reachable_until(claims, upload)
    fields = ietf.state_headers(upload, policies.size_limit(claims), until)
    if "HTTP_TUS_RESUMABLE" in request.META or upload.protocol == Protocol.TUS:
        fields |= tus.state_headers(upload, until, headers.base(request.META))
    return fields


def _cancel(upload: Upload) -> HttpResponse:
    """Forget what is unfinished. What is committed stays: its receipt was signed; only the upload resource goes."""
    if upload.state == State.COMMITTED and not upload.terminated:
        Upload.objects.filter(id=upload.id).update(terminated=True)
        return HttpResponse(status=204)
    try:
        with _waiting_for(upload):
            upload = takeover.seize(upload)
    except (errors.StoreUnavailable, errors.NoSpace):
        # Whole, and the store does not publish it now. Nobody needs to wait for that to throw it away.
        upload.refresh_from_db()
        if upload.state != State.COMMITTING:
            raise
        if recover.cancel_commit(upload) == State.COMMITTED:
            raise errors.AlreadyCommitted from None
        return HttpResponse(status=204)
    actions.abort(upload, errors.UploadCancelled.code)
    with tidying(upload.id):
        ends.discard(upload)
    return HttpResponse(status=204)


@from_nginx
def check(request):
    """`POST /u/check`: would a PUT of `Upload-Length` bytes that begins like this body be taken? Stores nothing."""
    if request.method != "POST":
        raise errors.MethodNotAllowed(*CHECK)
    claims = token_claims(request)
    if tus.is_other_version(request.META):
        raise errors.VersionUnsupported
    size = headers.body_length(request.META.get("CONTENT_LENGTH", ""), "")
    if size > media.SNIFF_BYTES:
        raise errors.RequestMalformed
    with unhurried.held(claims.sub):
        return _check(request, claims, size)


def _check(request, claims: Claims, size: int) -> HttpResponse:
    put = itself.of_put(request.META)
    length = headers.whole_number(put["CONTENT_LENGTH"])
    policies.may_upload(claims, length)
    asked = whole.asked_of_check(put)
    content = _whole_body(request, size)
    envelopes.check(content)
    # What speaks of the file is compared where all of the file is here.
    if others := digests.of_bytes((c for c in asked if c.over is not digests.Over.FILE or size == length), content):
        raise errors.of_differing(others)
    media_type = media.detect(content)
    if not media.is_allowed(media_type, claims.media_types):
        log.warning("type refused", extra={"grant_id": claims.jti, "media_type": media_type})
        raise errors.TypeRefused(media_type)
    return HttpResponse(status=204)


def _whole_body(request, size: int) -> bytes:
    """A small body. Raises BodyCutOff, TooSlow or DeadlinePassed: a sender must not hold up the control listener."""
    request.body_reader = RequestBody(request.META, size, SMALL_BODY)
    with buffers.wiped(max(size, 1)) as room:
        body, count = room[:size], 0
        while got := request.body_reader.fill(body[count:]):
            count += got
        return bytes(body)


def not_found(request, exception=None):
    """Django's handler404, which must return and not raise."""
    return problem_response(middleware.problem_of(errors.NotFound(), request), request)


def _options(allowed: tuple[str, ...], claims: Claims) -> HttpResponse:
    limit = ietf.limits(policies.size_limit(claims))
    fields = {"Allow": ", ".join(allowed), "Upload-Limit": limit, **tus.capabilities(policies.hard_limit(claims))}
    return HttpResponse(headers=fields)
