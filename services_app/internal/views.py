"""Metadata for web_app: no bytes, no file names, no paths."""

import contextlib
import itertools
import logging
import uuid

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown
from services_app.tokens.claims import SLUG
from services_app.uploads import actions, errors, render
from services_app.uploads.models import Grant, Upload
from services_app.uploads.states import State
from services_app.uploads.wire.callers import from_web_app

log = logging.getLogger("sluice.internal")

PAGE = 1000


@from_web_app
def grant(request, grant_id: uuid.UUID):
    """What became of a grant."""
    _only(request, "GET")
    if not Grant.objects.filter(id=grant_id).exists():
        raise errors.UploadUnknown
    return JsonResponse(render.grant(grant_id))


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
    """Metadata of an object, or its removal."""
    _only(request, "GET", "HEAD", "DELETE")
    upload = Upload.objects.select_related("grant").filter(id=upload_id, state=State.COMMITTED).first()
    if upload is None:
        raise errors.UploadUnknown
    store, name = current_store(), actions.object_name(upload)
    try:
        if request.method == "DELETE":
            with contextlib.suppress(ObjectUnknown):  # an earlier attempt may have come as far as that
                store.delete(name)
            store.discard_name(str(upload.id))  # a crash behind the ledger entry leaves this second name of the same bytes
            actions.mark_deleted(upload)
            log.info("deleted", extra={"upload_id": upload.id})
            return HttpResponse(status=204)
        size = store.size(name)
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
