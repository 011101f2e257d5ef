"""The web API's uploads and receipts (docs/upload-api.md). Parse, call one action, render."""

import datetime
import json
import uuid

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from web_app.accounts.binding import binding_of, keep_binding
from web_app.audit.record import Who
from web_app.config import errors
from web_app.config.api import ApiView, json_answer, json_fields
from web_app.grants import actions, policies
from web_app.grants.keys import receipt_verifier
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State
from web_app.tokens.claims import SHA256

_PAGE = 50
_LONGEST_PAGE = 100


class Uploads(ApiView):
    def get(self, request: HttpRequest) -> HttpResponse:
        limit = _limit(request.GET.get("limit", str(_PAGE)))
        rows = policies.visible_to(request.user)
        if "before" in request.GET:
            rows = rows.filter(id__lt=_uuid(request.GET["before"]))
        found = list(rows[: limit + 1])
        page = found[:limit]
        more = str(page[-1].id) if len(found) > limit else None
        return json_answer({"uploads": [shown(grant) for grant in page], "next": more})

    def post(self, request: HttpRequest) -> HttpResponse:
        optional = {"size": int, "sha256": str, "max_uploads": int}
        fields = json_fields(request, required={"collection": str}, optional=optional)
        size, sha256, max_uploads = (fields.get(name) for name in optional)
        if size is not None and not 0 <= size < 2**63:
            raise errors.RequestMalformed("size must be a number of bytes.")
        if sha256 is not None and not SHA256.fullmatch(sha256):
            raise errors.RequestMalformed("sha256 must be 64 lower-case hexadecimal digits.")
        if max_uploads is not None and max_uploads < 1:
            raise errors.RequestMalformed("max_uploads must be 1 or more.")
        # A browser's URL ends up in logs and histories, so it is tied to the browser. Scripts have no cookies.
        binding = binding_of(request) if request.api_key is None else None
        grant, token = actions.issue(
            request.user,
            fields["collection"],
            size=size,
            sha256=sha256,
            max_uploads=max_uploads,
            binding=binding,
            who=Who.asks(request),
        )
        response = json_answer(_shown_once(grant, token), status=201)
        response["Location"] = reverse("grants:one", args=[grant.id])
        if binding is not None:
            keep_binding(response, binding)
        return response


class Upload(ApiView):
    def get(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        return json_answer(shown(_own(request, grant_id)))

    def delete(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        grant = actions.cancel(_own(request, grant_id), who=Who.asks(request))
        return json_answer(shown(grant))


class UploadToken(ApiView):
    def post(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        fields = json_fields(request, required={"upload_id": str}, optional={})
        binding = binding_of(request) if request.api_key is None else None
        grant, token = actions.renew(
            _own(request, grant_id), _uuid7(fields["upload_id"]), binding=binding, who=Who.asks(request)
        )
        response = json_answer(_shown_once(grant, token), status=201)
        if binding is not None:
            keep_binding(response, binding)
        return response


class UploadReceipt(ApiView):
    def get(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        stored = _own(request, grant_id).stored.all()
        if "upload_id" in request.GET:
            stored = stored.filter(pk=_uuid7(request.GET["upload_id"]))
        upload = stored.last()
        if upload is None:
            raise errors.NotFound("There is no receipt yet.")
        response = HttpResponse(upload.receipt, content_type="application/jose")
        response["Content-Disposition"] = f'attachment; filename="receipt-{upload.upload_id}.jws"'
        return response


class Receipts(ApiView):
    def post(self, request: HttpRequest) -> HttpResponse:
        fields = json_fields(request, required={"receipt": str}, optional={})
        upload = actions.complete(fields["receipt"], uploader=request.user, who=Who.asks(request))
        return json_answer(shown(upload.grant, upload))


class ReceiptKeys(ApiView):
    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        response = HttpResponse(json.dumps(receipt_verifier().published()), content_type="application/jwk-set+json")
        response["Cache-Control"] = "public, max-age=300"
        return response


def shown(grant: Grant, upload: StoredUpload | None = None) -> dict:
    """A grant as it is seen later: ids, sizes, digests, states. What is said of one upload is said of the given one, or of
    the newest that is stored.
    """
    stored = [_shown_upload(each) for each in grant.stored.all()]
    one = _shown_upload(upload) if upload is not None else (stored[-1] if stored else _nothing_stored(grant))
    return {
        "id": str(grant.id),
        "state": _state_now(grant),
        "collection": grant.collection.slug,
        "max_uploads": grant.max_uploads,
        "created_at": _moment(grant.created_at),
        "expires_at": _moment(grant.expires_at),
        **one,
        "uploads": stored,
    }


def _shown_upload(upload: StoredUpload) -> dict:
    path = reverse("grants:receipt", args=[upload.grant_id])
    return {
        "upload_id": str(upload.upload_id),
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "completed_at": _moment(upload.durable_at),
        "receipt_url": f"{settings.PUBLIC_URL}{path}?upload_id={upload.upload_id}",
    }


def _nothing_stored(grant: Grant) -> dict:
    return {
        "upload_id": None,
        "size": grant.declared_size,
        "sha256": grant.declared_sha256 or None,
        "media_type": None,
        "completed_at": None,
        "receipt_url": None,
    }


def _shown_once(grant: Grant, token: str) -> dict:
    return {
        "id": str(grant.id),
        "state": grant.state,
        "collection": grant.collection.slug,
        "token": token,
        "upload_url": f"{settings.PUBLIC_URL}/u/{token}",
        "bearer_url": f"{settings.PUBLIC_URL}/u",
        "start_by": _moment(grant.start_by),
        "expires_at": _moment(grant.expires_at),
        "max_size": grant.max_size,
        "max_uploads": grant.max_uploads,
        "media_types": grant.collection.media_types,
    }


def _state_now(grant: Grant) -> str:
    # `reconcile` writes it down when it next comes by.
    if grant.state == State.ISSUED and grant.expires_at <= timezone.now():
        return State.EXPIRED
    return grant.state


def _own(request: HttpRequest, grant_id: uuid.UUID) -> Grant:
    grant = policies.visible_to(request.user).filter(id=grant_id).first()
    if grant is None:
        raise errors.NotFound
    return grant


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:4]) <= _LONGEST_PAGE:
        raise errors.RequestMalformed(f"limit must be a whole number from 1 to {_LONGEST_PAGE}.")
    return int(text)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise errors.RequestMalformed("before must be the id of an upload.") from exc


def _uuid7(text: str) -> uuid.UUID:
    """Raises RequestMalformed unless it is written as the services tier writes its ids."""
    try:
        value = uuid.UUID(text)
    except ValueError as exc:
        raise errors.RequestMalformed("upload_id must be the id of an upload.") from exc
    if str(value) != text or value.version != 7:
        raise errors.RequestMalformed("upload_id must be the id of an upload.")
    return value


def _moment(value: datetime.datetime | None) -> str | None:
    return value.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if value else None
