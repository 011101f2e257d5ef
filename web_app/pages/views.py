"""The data manager's pages. What happens to files happens in the browser (static/pages/) and on the services tier."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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
        "grants": [_row(grant) for grant in found[:_PAGE]],
        "older": older,
        "newest": not before,
    }
    return render(request, "pages/uploads.html", context)


@require_safe
@never_cache
@login_required
def recent(request: HttpRequest) -> HttpResponse:
    """The list under the upload page, fetched anew by the page when a file is stored."""
    return render(request, "pages/_uploads.html", {"grants": _recent(request)})


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
    return [_row(grant) for grant in visible_to(request.user).exclude(state=State.CANCELLED)[:_RECENT]]


def _row(grant: Grant) -> dict:
    """The web API's view of a grant, with what only a person needs."""
    row = shown(grant)
    return {
        **row,
        "collection_title": grant.collection.title,
        "moment": grant.completed_at or grant.created_at,
        "state_text": _STATE_TEXTS[State(row["state"])],
        # A path, not the API's absolute URL: the page is right wherever the browser found it.
        "receipt_path": reverse("grants:receipt", args=[grant.id]) if row["receipt_url"] else None,
    }


def _grant_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise Http404 from exc
