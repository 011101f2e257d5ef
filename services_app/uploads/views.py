"""The upload resource and nginx's pre-authorisation: parse, call one action, render.

nginx has taken the token out of the URL and sends it as a Bearer token, so no path of this tier holds one.
"""

import contextlib
import uuid

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from services_app.store.current import current_store
from services_app.store.errors import StoreError

from . import actions, errors, headers, media, policies, recover
from .answers import problem_response
from .body import Pace, RequestBody
from .callers import from_nginx, token_claims
from .middleware import problem_of
from .models import Grant, Upload
from .receive import receive
from .states import State

WHOLE_FILE = ("PUT", "GET", "HEAD", "OPTIONS")
CHECK = ("POST",)
ONE_UPLOAD = ("GET", "HEAD", "OPTIONS")

SMALL_BODY = Pace(idle_timeout=10, min_rate=0, window=60, deadline=15)


@from_nginx
def put(request):
    """`PUT /u`: the whole file; 201 and the receipt."""
    if request.method != "PUT":
        raise errors.MethodNotAllowed(*WHOLE_FILE)
    claims = token_claims(request)
    announced = headers.Announced.of_put(request.META)
    policies.may_upload(claims, announced.length)
    request.body_reader = RequestBody(request.META, announced.length, pace())
    upload = receive(request.body_reader, claims, announced)
    request.upload_id = upload.id
    return JsonResponse(rendered(upload), status=201)


@from_nginx
def authorize(request):
    """nginx asks before it takes a body byte: 204, or 403 with the verdict that nginx turns into the real answer."""
    claims = None
    try:
        claims = token_claims(request)
        _judge(request.META, claims)
    except Exception as exc:  # noqa: BLE001  whatever went wrong, nginx needs a verdict
        problem = problem_of(exc, request)
        if claims is not None:
            actions.note_refusal(claims, problem.code)
        response = HttpResponse(status=403)
        response["X-Upload-Verdict"] = problem.code
        return response
    return HttpResponse(status=204)


def _judge(meta: dict, claims) -> None:
    method, path = meta.get("HTTP_X_UPLOAD_METHOD", ""), meta.get("HTTP_X_UPLOAD_PATH", "")
    allowed = {"/": WHOLE_FILE, "/check": CHECK}.get(path, ONE_UPLOAD)
    if method not in allowed:
        raise errors.MethodNotAllowed(*allowed)
    if method == "PUT":
        length = headers.body_length(meta.get("HTTP_X_UPLOAD_LENGTH", ""), meta.get("HTTP_X_UPLOAD_CODING", ""))
        policies.may_upload(claims, length)


@from_nginx
def check(request):
    """`POST /u/check`: would a PUT of `Upload-Length` bytes that begins like this body be taken? Stores nothing."""
    if request.method != "POST":
        raise errors.MethodNotAllowed(*CHECK)
    claims = token_claims(request)
    size = headers.body_length(request.META.get("CONTENT_LENGTH", ""), "")
    if size > media.SNIFF_BYTES:
        raise errors.RequestMalformed
    policies.may_upload(claims, headers.whole_number(request.META.get("HTTP_UPLOAD_LENGTH", "")))
    if not media.is_allowed(media.detect(_whole_body(request, size)), claims.media_types):
        raise errors.TypeRefused
    return HttpResponse(status=204)


def _whole_body(request, size: int) -> bytes:
    """A small body. Raises BodyCutOff, TooSlow or DeadlinePassed: a sender must not hold up the control listener."""
    request.body_reader = RequestBody(request.META, size, SMALL_BODY)
    body, count = memoryview(bytearray(size)), 0
    while got := request.body_reader.fill(body[count:]):
        count += got
    return bytes(body)


@from_nginx
def grant_state(request):
    """`GET /u`: the uploads of the token's grant and the last refusal."""
    if request.method == "OPTIONS":
        return _options(WHOLE_FILE)
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed(*WHOLE_FILE)
    return JsonResponse(rendered_grant(token_claims(request).jti))


@from_nginx
def upload_state(request, upload_id: uuid.UUID):
    """`GET /u/<upload_id>`: one upload of the token's grant."""
    if request.method == "OPTIONS":
        return _options(ONE_UPLOAD)
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed(*ONE_UPLOAD)
    claims = token_claims(request)
    if claims.upload_id not in (None, upload_id):
        raise errors.UploadNotYours
    _settle(claims.jti)
    upload = Upload.objects.filter(id=upload_id, grant_id=claims.jti).first()
    if upload is None:
        raise errors.UploadUnknown
    request.upload_id = upload.id
    return JsonResponse(rendered(upload))


def not_found(request, exception=None):
    """Django's handler404, which must return and not raise."""
    return problem_response(errors.NotFound(), request)


def _options(allowed: tuple[str, ...]) -> HttpResponse:
    response = HttpResponse(status=204)
    response["Allow"] = ", ".join(allowed)
    return response


def pace() -> Pace:
    """How slow a sender may be here."""
    return Pace(
        idle_timeout=settings.UPLOAD_IDLE_TIMEOUT,
        min_rate=settings.UPLOAD_MIN_RATE,
        window=settings.UPLOAD_MIN_RATE_WINDOW,
        deadline=settings.UPLOAD_DEADLINE,
    )


def _settle(grant_id: uuid.UUID) -> None:
    """Whoever asks after a crash learns whether the file is safe, so what it left behind is settled first."""
    with contextlib.suppress(errors.StoreUnavailable):
        recover.settle_stale_uploads_of(grant_id)


def rendered_grant(grant_id: uuid.UUID) -> dict:
    """A grant's state as docs/upload-api.md shows it; a grant that was never used is `unused`."""
    _settle(grant_id)
    uploads = list(Upload.objects.filter(grant_id=grant_id).order_by("id"))
    refusal = Grant.objects.filter(id=grant_id).values_list("last_refusal", flat=True).first()
    return {
        "grant": str(grant_id),
        "state": uploads[-1].state if uploads else "unused",
        "uploads": [rendered(upload) for upload in uploads],
        "problem": errors.describe(refusal or ""),
    }


def rendered(upload: Upload) -> dict:
    """One upload as docs/upload-api.md shows it. The offset of a running one is what lies in staging by now."""
    return {
        "upload_id": str(upload.id),
        "state": upload.state,
        "offset": _offset(upload),
        "length": upload.size if upload.size is not None else upload.length,
        "sha256": upload.sha256 or None,
        "media_type": upload.media_type or None,
        "received_at": actions.rfc3339(upload.received_at),
        "durable_at": upload.durable_at and actions.rfc3339(upload.durable_at),
        "receipt": upload.receipt or None,
        "problem": errors.describe(upload.problem),
    }


def _offset(upload: Upload) -> int:
    if upload.state == State.RECEIVING:
        try:
            return current_store().staged_size(upload.id) or 0
        except StoreError:
            return 0
    return upload.size or 0
