"""The coordinator's pages: what arrived in a collection, from whom, and the same as files. A coordinator reads no file."""

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from web_app.audit import security
from web_app.audit.models import Action
from web_app.audit.record import Who, record
from web_app.collections.models import Collection
from web_app.collections.policies import coordinated_by
from web_app.grants import daily
from web_app.grants.models import StoredUpload
from web_app.pages import exports, lists
from web_app.pages.places import Export, in_turn
from web_app.pages.totals import BAR, totals


@require_safe
@never_cache
@login_required
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/collections.html", {"page": "collections", "collections": coordinated_by(request.user).order_by("title")})


@require_safe
@never_cache
@login_required
@in_turn
def arrivals(request: HttpRequest, slug: str) -> HttpResponse:
    collection = _coordinated(request, slug)
    wanted, whose = lists.Wanted.read(request.GET), {"collection": collection}
    found = lists.listed(whose, wanted)
    for row in found.rows:
        if row["upload_id"]:
            row["receipt_path"] = reverse("pages:collection-receipt", args=[slug, row["upload_id"]])
    context = {
        **lists.context(request, found, wanted),
        "page": "collections",
        "collection": collection,
        "people": lists.people_of(collection),
        "totals": totals(lists.stored(whose, wanted), wanted.zone),
        "bar": BAR,
    }
    return render(request, "pages/collection.html", context)


@require_safe
@never_cache
@login_required
def table(request: HttpRequest, slug: str) -> HttpResponse:
    collection = _coordinated(request, slug)
    wanted = lists.Wanted.read(request.GET)
    rows = lists.every({"collection": collection}, wanted)
    return _exported(request, collection, exports.table(rows), "text/csv; charset=utf-8", "csv")


@require_safe
@never_cache
@login_required
def receipts(request: HttpRequest, slug: str) -> HttpResponse:
    collection = _coordinated(request, slug)
    stored = lists.stored({"collection": collection}, lists.Wanted.read(request.GET))
    return _exported(request, collection, exports.receipts(stored), "application/zip", "zip")


@require_safe
@never_cache
@login_required
def receipt(request: HttpRequest, slug: str, upload_id) -> HttpResponse:
    collection = _coordinated(request, slug)
    upload = get_object_or_404(StoredUpload, collection=collection, pk=upload_id)
    response = HttpResponse(upload.receipt, content_type="application/jose")
    response["Content-Disposition"] = f'attachment; filename="receipt-{upload.upload_id}.jws"'
    return response


def _coordinated(request: HttpRequest, slug: str) -> Collection:
    """Raises Http404 for who does not coordinate it, whether it is there or not."""
    collection = coordinated_by(request.user).filter(slug=slug).first()
    if collection is None:
        security.note("collection_forbidden", request)
        raise Http404
    return collection


def _exported(request: HttpRequest, collection: Collection, parts, content_type: str, ending: str) -> StreamingHttpResponse:
    parts = Export(request, parts, lambda person: coordinated_by(person).filter(pk=collection.pk).exists())
    try:
        with transaction.atomic():
            daily.count_one(request.user)
            record(Who.asks(request), Action.EXPORTED, "collection", collection.slug, [ending])
    except BaseException:
        parts.close()
        raise
    response = StreamingHttpResponse(parts, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{collection.slug}.{ending}"'
    return response
