"""The data manager's pages. What happens to files happens in the browser (static/pages/) and on the services tier."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from web_app.accounts.models import User
from web_app.collections import media_types, quotas
from web_app.collections.models import Collection
from web_app.collections.policies import known_to, open_to
from web_app.config.errors import NotSignedIn
from web_app.config.problems import problem_response
from web_app.pages import lists
from web_app.pages.places import in_turn

_RECENT = 5


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
            "collections": _choices(request.user),
            "recent": lists.recent(request.user, _RECENT),
            "type_words": _type_words(),
            "titles": _titles(request),
            "open": lists.open_grants(request.user),
        },
    )


@require_safe
@never_cache
@login_required
@in_turn
def uploads(request: HttpRequest) -> HttpResponse:
    """All own uploads; the query says which (lists.py)."""
    wanted = lists.Wanted.read(request.GET)
    found = lists.listed({"uploader": request.user}, wanted)
    context = {**lists.context(request, found, wanted), "page": "uploads", "collections": lists.collections_of(request.user)}
    return render(request, "pages/uploads.html", context)


@require_safe
@never_cache
@login_required
def recent(request: HttpRequest) -> HttpResponse:
    """The list under the upload page, fetched anew by the page when a file is stored. The page says whose it is: it may be older than
    the session.
    """
    if request.GET.get("person", request.user.uploader_id) != request.user.uploader_id:
        raise PermissionDenied
    return render(request, "pages/_uploads.html", {"rows": lists.recent(request.user, _RECENT)})


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


@require_safe
@cache_control(public=True, max_age=86400)
def icon(request: HttpRequest) -> HttpResponse:
    """For what looks for an icon without reading a page."""
    return redirect(static("pages/logo.svg"))


@require_safe
def verify(request: HttpRequest) -> HttpResponse:
    """For anyone who was shown a receipt, without signing in: it is checked in their browser, with the published keys."""
    context = {
        "page": "verify",
        "issuer": settings.RECEIPT_ISSUER,
        "type_words": _type_words(),
        "titles": _titles(request),
    }
    return render(request, "pages/verify.html", context)


def _choices(person: User) -> list[Collection]:
    """Where this person may upload, each with whether it `has_quotas` for them."""
    found = list(open_to(person).order_by("title"))
    for collection in found:
        collection.has_quotas = bool(quotas.of(person, collection))
    return found


def _type_words() -> dict[str, str]:
    return {name: _(words) for name, words in media_types.words().items()}


def _titles(request: HttpRequest) -> dict[str, str]:
    """What the collections are called that whoever looks may know of."""
    return dict(known_to(request.user).values_list("slug", "title")) if request.user.is_authenticated else {}
