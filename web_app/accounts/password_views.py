"""A forgotten password, and a new one by a link. The sign-in page and the page for who is signed in are in views.py."""

from django import forms
from django.conf import settings
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from web_app.accounts import hashing, links, own_passwords, post, throttle
from web_app.audit import security


class WhoForm(forms.Form):
    who = forms.CharField(max_length=own_passwords.LONGEST, error_messages={"required": _("Enter your user name or your e-mail address.")})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def forgotten(request: HttpRequest) -> HttpResponse:
    """The answer is the same, and as quick, whoever was named: it is looked up behind it (post.py)."""
    if not settings.MAIL_IS_SET:
        return render(request, "accounts/forgotten_ask.html")
    form = WhoForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/forgotten.html", {"form": form}, status=400 if form.errors else 200)
    address = request.META.get("REMOTE_ADDR") or ""
    try:
        throttle.ask_for_a_link(address)
    except throttle.TooManyTries as exc:
        security.note("password_link_throttled", request)
        form.add_error(None, _("Too many links were asked for from your network. Try again in an hour, or ask your operator."))
        response = render(request, "accounts/forgotten.html", {"form": form}, status=429)
        response["Retry-After"] = str(exc.seconds)
        return response
    post.later(own_passwords.send_forgotten, form.cleaned_data["who"], address or None)
    return redirect("accounts:forgotten-sent")


@require_safe
@never_cache
def forgotten_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/forgotten_sent.html")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def new_password(request: HttpRequest) -> HttpResponse:
    """Where a link leads. What it opens comes with the form, never with an address (links.py)."""
    if request.method != "POST":
        return render(request, "accounts/new_password.html", {"form": None})
    secret = request.POST.get("link", "").strip().rpartition("#")[2]
    person = links.person_of(secret)
    if person is None:
        return _is_over(request)
    form = SetPasswordForm(person, request.POST)
    if not form.is_valid():
        return render(request, "accounts/new_password.html", {"form": form, "link": secret}, status=400)
    # The link says who it is, so that nobody waits behind strangers.
    with hashing.by_who_is_known(person.get_username()):
        is_set = own_passwords.set_by_link(secret, person, form.cleaned_data["new_password1"])
    return render(request, "accounts/password_set.html", {"name": person.get_username()}) if is_set else _is_over(request)


def _is_over(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/link_over.html", {"by_mail": settings.MAIL_IS_SET}, status=400)
