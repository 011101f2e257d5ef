"""The web API's uploads and receipts (docs/upload-api.md). Parse, call one action, render."""

import json
import re
import uuid

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from web_app.accounts.binding import keep_binding
from web_app.audit import security
from web_app.audit.record import Who
from web_app.config import errors
from web_app.config.api import ApiView, json_answer, json_fields
from web_app.config.moments import rfc3339
from web_app.config.places import LISTS
from web_app.grants import actions, browsers, ends, names, policies
from web_app.grants.keys import receipt_verifier
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State
from web_app.tokens.claims import SHA256, UUID7

_PAGE = 50
_LONGEST_PAGE = 100
# Stored uploads that are shown of a grant: of one of a list, and of one that is asked for by itself.
_INSIDE, _OF_ONE = 10, 100


class Uploads(ApiView):
    def get(self, request: HttpRequest) -> HttpResponse:
        with LISTS.taken(request.user.pk):
            return self._listed(request)

    def _listed(self, request: HttpRequest) -> HttpResponse:
        limit = _limit(request.GET.get("limit", str(_PAGE)))
        rows = policies.visible_to(request.user, request.api_key)
        if "before" in request.GET:
            rows = rows.filter(id__lt=_uuid(request.GET["before"]))
        if "collection" in request.GET:
            rows = rows.filter(collection__slug=request.GET["collection"])
        sizes = _sizes(request.GET["stored_size"]) if "stored_size" in request.GET else None
        if sizes is not None:
            rows = rows.filter(id__in=StoredUpload.objects.filter(uploader=request.user, size__in=sizes).values("grant"))
        found = list(rows[: limit + 1])
        page = found[:limit]
        more = str(page[-1].id) if len(found) > limit else None
        return json_answer({"uploads": [shown(grant, most=_INSIDE, sizes=sizes) for grant in page], "next": more})

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
        binding = browsers.binding_for(request) if request.api_key is None else None
        grant, token = actions.issue(
            request.user,
            fields["collection"],
            size=size,
            sha256=sha256,
            max_uploads=max_uploads,
            binding=binding,
            sign_in=browsers.sign_in_of(request),
            api_key=request.api_key,
            who=Who.asks(request),
        )
        browsers.check_still_signed_in(request, binding)
        response = json_answer(_shown_once(grant, token), status=201)
        response["Location"] = reverse("grants:one", args=[grant.id])
        if binding is not None:
            keep_binding(response, binding)
        return response


class Upload(ApiView):
    def get(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        before = _uuid7(request.GET["uploads_before"]) if "uploads_before" in request.GET else None
        return json_answer(shown(_own(request, grant_id), before=before))

    def delete(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        actions.cancel(_own(request, grant_id), because=request.GET.get("because"), who=Who.asks(request))
        # Behind the commit, when the services tier may have been told.
        return json_answer(shown(_own(request, grant_id)))


class UploadToken(ApiView):
    def post(self, request: HttpRequest, grant_id: uuid.UUID) -> HttpResponse:
        fields = json_fields(request, required={"upload_id": str}, optional={})
        binding = browsers.binding_for(request) if request.api_key is None else None
        grant, token = actions.renew(
            _own(request, grant_id),
            _uuid7(fields["upload_id"]),
            binding=binding,
            sign_in=browsers.sign_in_of(request),
            api_key=request.api_key,
            who=Who.asks(request),
        )
        browsers.check_still_signed_in(request, binding)
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


class Names(ApiView):
    def post(self, request: HttpRequest) -> HttpResponse:
        if request.api_key is not None:
            raise errors.NotSignedIn("Names are for the page of a person who signed in: a script has them itself.")
        fields = json_fields(request, required={}, optional={"grants": list, "uploads": list, "collection": str})
        asked = names.Asked(*(frozenset(map(_uuid7, fields.get(name, ()))) for name in ("grants", "uploads")))
        collection = names.overseen(request.user, fields.get("collection"))
        if asked.visible_to(request.user, collection) != asked.known():
            security.note("foreign_grant", request)
        binding = browsers.binding_for(request)
        token, until = names.permit(
            request.user,
            asked,
            collection=collection,
            binding=binding,
            sign_in=browsers.sign_in_of(request),
            who=Who.asks(request),
        )
        browsers.check_still_signed_in(request, binding)
        answer = {"token": token, "names_url": f"{settings.PUBLIC_URL}/u/names", "expires_at": rfc3339(until)}
        response = json_answer(answer, status=201)
        keep_binding(response, binding)
        return response


class Receipts(ApiView):
    def post(self, request: HttpRequest) -> HttpResponse:
        fields = json_fields(request, required={"receipt": str}, optional={})
        who = Who.asks(request)
        upload = actions.complete(fields["receipt"], uploader=request.user, api_key=request.api_key, who=who)
        return json_answer(shown(upload.grant, upload))


class ReceiptKeys(ApiView):
    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        response = HttpResponse(json.dumps(receipt_verifier().published()), content_type="application/jwk-set+json")
        response["Cache-Control"] = "public, max-age=300"
        return response


def shown(
    grant: Grant,
    upload: StoredUpload | None = None,
    *,
    most: int = _OF_ONE,
    before: uuid.UUID | None = None,
    sizes: list[int] | None = None,
    newest: list[StoredUpload] | None = None,
) -> dict:
    """A grant as it is seen later: ids, sizes, digests, states. What is said of one upload is said of the given one, or of
    the newest that is stored. Of these the newest `most` are shown: `before` another one; of these `sizes` alone, if any.
    `newest`: what is known of them already.
    """
    if newest is None:
        newest = _newest(grant.stored.all() if sizes is None else grant.stored.filter(size__in=sizes), before, most + 1)
    stored = [shown_upload(each) for each in reversed(newest[:most])]
    earlier = newest[most - 1].pk if len(newest) > most else None
    if upload is None:
        upload = newest[0] if newest and before is None and sizes is None else grant.stored.last()
    one = shown_upload(upload) if upload is not None else _nothing_stored(grant)
    return {
        "id": str(grant.id),
        "state": _state_now(grant),
        "collection": grant.collection.slug,
        "max_uploads": grant.max_uploads,
        "created_at": rfc3339(grant.created_at),
        "expires_at": rfc3339(grant.expires_at),
        "end": ends.of(grant, upload is not None) or None,
        "revocation": str(grant.revocation) if hasattr(grant, "revocation") else None,
        **one,
        "uploads": stored,
        "earlier": f"{settings.PUBLIC_URL}{reverse('grants:one', args=[grant.id])}?uploads_before={earlier}" if earlier else None,
    }


def _newest(stored: QuerySet[StoredUpload], before: uuid.UUID | None, number: int) -> list[StoredUpload]:
    """So many, the newest first. Raises NotFound where there is no such one to go on from."""
    if before is not None:
        last = stored.filter(pk=before).first()
        if last is None:
            raise errors.NotFound
        stored = stored.filter(Q(durable_at__lt=last.durable_at) | Q(durable_at=last.durable_at, pk__lt=before))
    return list(stored.order_by("-durable_at", "-pk")[:number])


def shown_upload(upload: StoredUpload) -> dict:
    path = reverse("grants:receipt", args=[upload.grant_id])
    return {
        "upload_id": str(upload.upload_id),
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": upload.media_type,
        "completed_at": rfc3339(upload.durable_at),
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
        "start_by": rfc3339(grant.start_by),
        "expires_at": rfc3339(grant.expires_at),
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
    grant = policies.visible_to(request.user, request.api_key).filter(id=grant_id).first()
    if grant is None:
        if Grant.objects.filter(id=grant_id).exists():
            security.note("foreign_grant", request)
        raise errors.NotFound
    return grant


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= _LONGEST_PAGE:
        raise errors.RequestMalformed(f"limit must be a whole number from 1 to {_LONGEST_PAGE}.")
    return int(text)


def _sizes(text: str) -> list[int]:
    """Bytes, with commas between them."""
    sizes = text.split(",")
    if len(sizes) > _LONGEST_PAGE or not all(re.fullmatch("[0-9]{1,18}", size) for size in sizes):
        raise errors.RequestMalformed(f"stored_size must be up to {_LONGEST_PAGE} numbers of bytes, with commas between them.")
    return [int(size) for size in sizes]


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise errors.RequestMalformed("before must be the id of an upload.") from exc


def _uuid7(text: object) -> uuid.UUID:
    """Raises RequestMalformed unless it is written as both tiers write their ids."""
    if not isinstance(text, str) or not UUID7.fullmatch(text):
        raise errors.RequestMalformed("An id is not one of an upload.")
    return uuid.UUID(text)
