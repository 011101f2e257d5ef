"""Metadata for web_app: no bytes, no file names, no paths."""

import itertools
import logging
import uuid

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown
from services_app.tokens.claims import SLUG
from services_app.uploads import actions, errors, filled, removal, render
from services_app.uploads.models import Grant, Upload
from services_app.uploads.states import State
from services_app.uploads.wire.callers import from_web_app

log = logging.getLogger("sluice.internal")

PAGE = 1000
GRANTS = 20  # in one question: a request line has room for so many ids
AT_FIRST = 5  # uploads of each of them


@from_web_app
def grant(request, grant_id: uuid.UUID):
    """What became of a grant, a page of its uploads at a time."""
    _only(request, "GET")
    if not Grant.objects.filter(id=grant_id).exists():
        raise errors.UploadUnknown
    return JsonResponse(render.page(grant_id, _id(request.GET.get("after"))))


@from_web_app
def grants(request):
    """The same of several: `ids`, at most GRANTS of them, with commas between. The beginning of each, null for one that is not known
    here; where `next` says that more follows, it is asked for by itself.
    """
    _only(request, "GET")
    ids = [_id(one) for one in request.GET.get("ids", "").split(",")]
    if len(ids) > GRANTS:
        raise errors.RequestMalformed
    known = set(Grant.objects.filter(id__in=ids).values_list("id", flat=True))
    return JsonResponse({"grants": {str(one): render.page(one, limit=AT_FIRST) if one in known else None for one in ids}})


@from_web_app
def collection(request, slug: str):
    """Make a collection's folder, if this tier lets web_app do so. Asked again, nothing happens."""
    _only(request, "PUT")
    if not settings.COLLECTIONS_FROM_WEB:
        raise errors.PeerForbidden
    if not SLUG.fullmatch(slug):
        raise errors.RequestMalformed
    store = current_store()
    is_new = not store.has_collection(slug)
    if is_new and filled.holds(slug):
        raise errors.StoreUnavailable  # it is away, and another in its place would hide what lies in it
    store.add_collection(slug)
    if not store.has_collection(slug):
        raise errors.CollectionUnknown  # something else has its name
    if is_new:
        log.info("collection made", extra={"collection": slug})
    return HttpResponse(status=204)


@from_web_app
def objects(request, slug: str):
    """Ids of a collection's objects, oldest first, a page at a time."""
    _only(request, "GET")
    limit = min(_positive(request.GET.get("limit"), PAGE), PAGE)
    after = request.GET.get("after", "")
    page = [str(entry) for entry in itertools.islice(current_store().list(slug, after), limit + 1)]
    return JsonResponse({"objects": page[:limit], "next": page[limit - 1] if len(page) > limit else None})


@from_web_app
def one_object(request, upload_id: uuid.UUID):
    """Metadata of an object, or its removal, if this tier lets web_app do so."""
    _only(request, "GET", "HEAD", "DELETE")
    if request.method == "DELETE" and not settings.DELETION_FROM_WEB:
        raise errors.PeerForbidden
    upload = Upload.objects.select_related("grant").filter(id=upload_id, state=State.COMMITTED).first()
    if upload is None:
        raise errors.UploadUnknown
    if request.method == "DELETE":
        try:
            removal.remove(upload)
        except actions.LeaseLost as exc:  # somebody else has done it at this moment
            raise errors.UploadUnknown from exc
        return HttpResponse(status=204)
    try:
        size = current_store().size(actions.object_name(upload))
    except ObjectUnknown as exc:
        raise errors.UploadUnknown from exc
    return JsonResponse(
        {
            "upload_id": str(upload.id),
            "collection": upload.grant.collection,
            "size": size,
            "sha256": upload.sha256,
            "media_type": upload.media_type,
            "stored_at": actions.rfc3339(upload.durable_at),
        }
    )


def _id(value: str | None) -> uuid.UUID | None:
    """An id from a query. Raises RequestMalformed."""
    try:
        return None if value is None else uuid.UUID(value)
    except ValueError as exc:
        raise errors.RequestMalformed from exc


def _positive(value: str | None, default: int) -> int:
    """A positive number from a query. Raises RequestMalformed."""
    if value is None:
        return default
    if not value.isdecimal() or int(value) < 1:
        raise errors.RequestMalformed
    return int(value)


def _only(request, *methods: str) -> None:
    if request.method not in methods:
        raise errors.MethodNotAllowed(*methods)
