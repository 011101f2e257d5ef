"""The data manager's pages. What happens to files happens in the browser (static/pages/) and on the services tier."""

import uuid
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from web_app.collections import media_types
from web_app.collections.policies import open_to
from web_app.config.errors import NotSignedIn
from web_app.config.problems import problem_response
from web_app.grants.models import Grant
from web_app.grants.policies import visible_to
from web_app.grants.states import State
from web_app.grants.views import shown

_RECENT = 5
_PAGE = 25

_STATE_TEXTS = {
    State.ISSUED: "Not completed yet",
    State.COMPLETE: "Stored and verified",
    State.CANCELLED: "Cancelled",
    State.EXPIRED: "Not completed",
}


@require_safe
@never_cache
@login_required
def upload(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "pages/upload.html",
        {
            "page": "upload",
            "person": request.user.uploader_id,
            "collections": list(open_to(request.user).order_by("title")),
            "recent": _recent(request),
            "type_words": media_types.words(),
        },
    )


@require_safe
@never_cache
@login_required
def uploads(request: HttpRequest) -> HttpResponse:
    """All own uploads, newest first; `?before=<id>` goes back in time."""
    rows = visible_to(request.user)
    if before := request.GET.get("before"):
        rows = rows.filter(id__lt=_grant_id(before))
    found = list(rows[: _PAGE + 1])
    older = str(found[_PAGE - 1].id) if len(found) > _PAGE else None
    context = {
        "page": "uploads",
        "rows": _rows(found[:_PAGE]),
        "older": older,
        "newest": not before,
    }
    return render(request, "pages/uploads.html", context)


@require_safe
@never_cache
@login_required
def recent(request: HttpRequest) -> HttpResponse:
    """The list under the upload page, fetched anew by the page when a file is stored."""
    return render(request, "pages/_uploads.html", {"rows": _recent(request)})


@require_safe
@never_cache
def session(request: HttpRequest) -> HttpResponse:
    """Who is signed in now, and the CSRF token of that session: for a page that outlived its own."""
    if not request.user.is_authenticated:
        return problem_response(NotSignedIn())
    return JsonResponse({"person": request.user.uploader_id, "csrf_token": get_token(request)})


@require_safe
@never_cache
@login_required
def signed_in(request: HttpRequest) -> HttpResponse:
    """Where signing in from a running upload page leads: back to that page's tab."""
    return render(request, "pages/signed_in.html")


def _recent(request: HttpRequest) -> list[dict]:
    """Without what was given up, such as a file of the wrong type: the page has just said so, and nothing is stored."""
    told = visible_to(request.user).filter(~Q(state=State.CANCELLED) | Q(stored__isnull=False)).distinct()
    return _rows(told[:_RECENT])[:_RECENT]


def _rows(grants: Iterable[Grant]) -> list[dict]:
    """A row for each file that is stored, newest first, and one for a grant that may still bring some, or brought none."""
    return [row for grant in grants for row in _rows_of(grant)]


def _rows_of(grant: Grant) -> list[dict]:
    said = shown(grant)
    common = {"collection_title": grant.collection.title}
    rows = []
    if grant.state != State.COMPLETE:
        text = _STATE_TEXTS[State(said["state"])]
        rows.append(
            {**said, **common, "moment": grant.created_at, "state_text": text, "sha256": None, "receipt_path": None}
        )
    for upload, each in zip(reversed(grant.stored.all()), reversed(said["uploads"]), strict=True):
        done = {"state": State.COMPLETE, "state_text": _STATE_TEXTS[State.COMPLETE], "moment": upload.durable_at}
        # A path, not the API's absolute URL: the page is right wherever the browser found it.
        path = each["receipt_url"].removeprefix(settings.PUBLIC_URL)
        rows.append({**each, **common, **done, "id": each["upload_id"], "receipt_path": path})
    return rows


def _grant_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise Http404 from exc
