"""Second factors: the page on which people see, add and remove their own, and the second step of signing in."""

from urllib.parse import urlsplit

import segno
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from web_app.accounts import sessions, signing_in, throttle
from web_app.accounts.devices import device_of
from web_app.accounts.factors import actions, passkeys, recovery, sealing, totp
from web_app.accounts.factors.policies import has_factor, may_remove_one
from web_app.accounts.models import Passkey, Totp, User
from web_app.accounts.sensitive import has_just_signed_in
from web_app.audit import security
from web_app.audit.models import Action
from web_app.audit.record import Who, record

_NEW = "new_totp"  # what a session holds while an app is set up: the sealed secret
_LONGEST = 64  # characters of what is typed


class CodeForm(forms.Form):
    """A code of the app, or one of the recovery codes."""

    code = forms.CharField(max_length=_LONGEST, required=False)
    recovery_code = forms.CharField(max_length=_LONGEST, required=False)

    def clean(self):
        if not self.cleaned_data.get("code") and not self.cleaned_data.get("recovery_code"):
            raise forms.ValidationError(_("Enter the code that your app shows now."), code="required")
        return self.cleaned_data

    @property
    def typed(self) -> str:
        return self.cleaned_data["recovery_code"] or self.cleaned_data["code"]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def second_step(request: HttpRequest) -> HttpResponse:
    """Behind the password, for who has a second factor."""
    person = signing_in.person_between(request)
    if person is None or not has_factor(person):
        return redirect_to_login(signing_in.then(request))
    form = CodeForm(request.POST or None)
    status = 200
    if form.is_valid():
        status = _wrong_code(request, person, form)
        if not status:
            response = HttpResponseRedirect(signing_in.then(request))
            signing_in.complete(request, response, person, with_factor=True)
            return response
    elif form.errors:
        status = 400
    has = {"has_app": hasattr(person, "totp"), "has_passkey": person.passkeys.exists()}
    return render(request, "accounts/second_step.html", {"form": form, "next": signing_in.then(request), **has}, status=status)


def _wrong_code(request: HttpRequest, person: User, form: CodeForm) -> int:
    """The status of why this code lets nobody in, which the form says then in words; 0 for one that does."""
    device = device_of(request, person.get_username())
    try:
        throttle.take_a_code(person.uploader_id, device)
    except throttle.TooManyTries:
        security.note("factor_throttled", request, person=person)
        form.add_error(None, _("Too many wrong codes. Try again tomorrow, or in a browser in which you have signed in before."))
        return 429
    if actions.use_code(person, form.typed, who=Who(person, request.META.get("REMOTE_ADDR") or None)):
        throttle.give_the_code_back(person.uploader_id, device)
        return 0
    _note_refusal(request, person)
    form.add_error(None, _("That code is not right, or it was used already. Wait for the next one. Is the clock of your device right?"))
    return 400


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def sign_in_by_passkey(request: HttpRequest) -> HttpResponse:
    """GET: what the browser is asked (JSON). POST: what it answered. A passkey is both factors: no password, and no second step."""
    if request.method != "POST":
        return JsonResponse(passkeys.asked_to_sign_in())
    then = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(then, {request.get_host()}, require_https=True):
        then = settings.LOGIN_REDIRECT_URL
    try:
        kept, asked_at, signed = passkeys.shown(request.POST.get("answer", ""), request.POST.get("state", ""))
    except passkeys.NotRight:
        return _no_passkey(request, None)
    if not actions.use_passkey(kept, asked_at, signed, who=Who(kept.person, request.META.get("REMOTE_ADDR") or None)):
        return _no_passkey(request, kept.person)
    response = HttpResponseRedirect(then)
    signing_in.complete(request, response, kept.person, with_factor=True)
    return response


def _no_passkey(request: HttpRequest, person: User | None) -> HttpResponse:
    _note_refusal(request, person)
    return render(request, "accounts/passkey_refused.html", status=400)


def _note_refusal(request: HttpRequest, person: User | None) -> None:
    if security.note("factor_refused", request, person=person):
        with transaction.atomic():
            known = ("user", person.uploader_id) if person else ()
            record(Who.asks(request), Action.FACTOR_REFUSED, *known, person=person)


@require_safe
@never_cache
@login_required
def asked_to_make(request: HttpRequest) -> HttpResponse:
    return JsonResponse(passkeys.asked_to_make(request.user))


class PasskeyForm(forms.Form):
    name = forms.CharField(max_length=Passkey.name.field.max_length, error_messages={"required": _("Give the passkey a name.")})
    answer = forms.CharField(required=False)
    state = forms.CharField(required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def add_passkey(request: HttpRequest) -> HttpResponse:
    if not has_just_signed_in(request):
        return redirect_to_login(request.path)
    person, form = request.user, PasskeyForm(request.POST or None)
    if form.is_valid():
        had_one, who = has_factor(person), Who.asks(request)
        try:
            made, signed = passkeys.made(person, form.cleaned_data["answer"], form.cleaned_data["state"])
            actions.add_passkey(person, form.cleaned_data["name"], made, signed, who=who)
        except passkeys.NotRight:
            form.add_error(None, _("The passkey was not taken. Try again."))
        except actions.NotAdded as exc:
            form.add_error(None, str(exc))
        else:
            request.session[sessions.WITH_FACTOR] = True
            return redirect("accounts:factors") if had_one else _with_codes(request, person, who)
    return render(request, "accounts/add_passkey.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@never_cache
@login_required
def factors(request: HttpRequest) -> HttpResponse:
    context = {
        "page": "factors",
        "app": getattr(request.user, "totp", None),
        "has_factor": has_factor(request.user),
        "may_remove": may_remove_one(request.user),
        "passkeys": request.user.passkeys.all(),
        "codes_left": request.user.recovery_codes.filter(used_at=None).count(),
        "codes_in_all": recovery.COUNT,
    }
    return render(request, "accounts/factors.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def set_up_app(request: HttpRequest) -> HttpResponse:
    """Shows a secret, and keeps it once the app has shown that it has it too. The first time recovery codes come with it. For who is
    signed in, and behind the password for who must have a factor and has none: that signs in.
    """
    between = None if request.user.is_authenticated else signing_in.person_between(request)
    person = between or request.user
    if between is None and not has_just_signed_in(request):
        return redirect_to_login(request.path)
    if between is not None and has_factor(between):
        return redirect("accounts:second-step")
    secret, form = _new_secret(request, person), CodeForm(request.POST or None)
    if form.is_valid():
        who = Who(person, request.META.get("REMOTE_ADDR") or None)
        if actions.add_app(person, secret, form.cleaned_data["code"], who=who, may_replace=between is None):
            del request.session[_NEW]
            if between is not None:
                response = _with_codes(request, person, who, then=signing_in.then(request))
                signing_in.complete(request, response, person, with_factor=True)
                return response
            request.session[sessions.WITH_FACTOR] = True
            return _with_codes(request, person, who) if not person.recovery_codes.exists() else redirect("accounts:factors")
        form.add_error(None, _("That is not the code that the app should show now. Try the next one. Is the clock of your device right?"))
    issuer = f"Sluice {urlsplit(settings.PUBLIC_URL).hostname}"
    address = totp.address(secret, account=person.get_username(), issuer=issuer)
    context = {
        "form": form,
        "qr": segno.make(address, error="m").svg_inline(omitsize=True, dark="#000", light="#fff", svgclass="qr"),
        "address": address,
        "secret": totp.spelled(secret),
        "replaces": hasattr(person, "totp"),
        "is_between": between is not None,
    }
    return render(request, "accounts/set_up_app.html", context, status=400 if form.errors else 200)


def _new_secret(request: HttpRequest, person: User) -> bytes:
    """The same as long as the page is open, however often it is loaded."""
    try:
        return sealing.opened(request.session.get(_NEW, ""), person.uploader_id)
    except sealing.NotOpened:  # there is none yet, or it is of who was signed in before
        secret = totp.new_secret()
        request.session[_NEW] = sealing.seal(secret, person.uploader_id)
        return secret


@require_POST
@never_cache
@login_required
def remove(request: HttpRequest) -> HttpResponse:
    """A passkey by its `passkey`; without one the app."""
    if not has_just_signed_in(request):
        return redirect_to_login(reverse("accounts:factors"))
    which, who = request.POST.get("passkey"), Who.asks(request)
    if which is None:
        actions.remove(request.user, Totp.objects.all(), actions.APP, who=who)
    else:
        actions.remove(request.user, Passkey.objects.filter(credential_id=which), actions.PASSKEY, who=who)
    return redirect("accounts:factors")


@require_POST
@never_cache
@login_required
def new_codes(request: HttpRequest) -> HttpResponse:
    if not has_just_signed_in(request):
        return redirect_to_login(reverse("accounts:factors"))
    if not has_factor(request.user):
        return redirect("accounts:factors")
    return _with_codes(request, request.user, Who.asks(request))


def _with_codes(request: HttpRequest, person: User, who: Who, then: str = "/") -> HttpResponse:
    codes = actions.make_recovery_codes(person, who=who)
    context = {"page": "factors", "codes": codes, "text": "\n".join(codes), "then": then}
    return render(request, "accounts/recovery_codes.html", context)
