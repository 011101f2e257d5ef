"""Where a person is signed in: seen, and ended."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from web_app.accounts import sessions
from web_app.audit.record import Who


@require_safe
@never_cache
@login_required
def signed_in(request: HttpRequest) -> HttpResponse:
    found = sessions.all_of(request.user, request.session.session_key)
    return render(request, "accounts/sessions.html", {"page": "sessions", "sessions": found})


@require_POST
@never_cache
@login_required
def end(request: HttpRequest) -> HttpResponse:
    """One by its `ref`, or all others. No password: whoever fears for a computer should not be kept."""
    ref, who = request.POST.get("ref", ""), Who.asks(request)
    if ref:
        sessions.end(request.user, ref, who=who)
    else:
        sessions.end_others(request.user, request.session, who=who)
    return redirect("accounts:sessions")
