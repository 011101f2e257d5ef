"""API keys that people make and end themselves: seen, made (shown once), ended."""

import datetime

from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, May
from web_app.accounts.sensitive import has_just_signed_in
from web_app.audit.record import Who
from web_app.collections.policies import open_to

_USUAL_DAYS = 90
_ENDED_SHOWN = datetime.timedelta(days=30)


class KeyForm(forms.Form):
    """`collections` must name some: a key that is good everywhere would grow with its owner's memberships."""

    name = forms.CharField(max_length=ApiKey.label.field.max_length, error_messages={"required": _("Give the key a name.")})
    may = forms.ChoiceField(choices=May.choices, error_messages={"required": _("Say what the key may do.")})
    collections = forms.ModelMultipleChoiceField(
        queryset=None, to_field_name="slug", error_messages={"required": _("Choose at least one collection.")}
    )
    last_day = forms.DateField(error_messages={"required": _("Say on which day the key ends.")})

    def __init__(self, user, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["collections"].queryset = open_to(user).order_by("title")

    def clean_last_day(self) -> datetime.date:
        day = self.cleaned_data["last_day"]
        if not first_end() <= day <= last_end():
            params = {"first": first_end(), "last": last_end()}
            raise forms.ValidationError(_("The last day must be between %(first)s and %(last)s."), code="out_of_bounds", params=params)
        return day

    def expires_at(self) -> datetime.datetime:
        """The end of that day, by UTC."""
        return datetime.datetime.combine(self.cleaned_data["last_day"], datetime.time.max.replace(microsecond=0), datetime.UTC)


def first_end() -> datetime.date:
    return timezone.now().date()


def last_end() -> datetime.date:
    return first_end() + datetime.timedelta(days=api_keys.OWN_DAYS)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def keys(request: HttpRequest) -> HttpResponse:
    """The list and the form. The answer to a form that was taken shows the key, once."""
    if request.method != "POST":
        usual = first_end() + datetime.timedelta(days=_USUAL_DAYS)
        return _shown(request, KeyForm(request.user, initial={"may": May.UPLOAD, "last_day": usual}))
    if not has_just_signed_in(request):
        return redirect_to_login(request.path)
    form = KeyForm(request.user, request.POST)
    if form.is_valid():
        try:
            key, text = api_keys.make_own(
                request.user,
                label=form.cleaned_data["name"],
                may=form.cleaned_data["may"],
                collections=form.cleaned_data["collections"],
                expires_at=form.expires_at(),
                who=Who.asks(request),
            )
        except api_keys.NotMade as exc:
            form.add_error(None, str(exc))
        else:
            return render(request, "pages/key_made.html", {"page": "keys", "key": key, "text": text})
    return _shown(request, form)


@require_POST
@never_cache
@login_required
def end_key(request: HttpRequest, prefix: str) -> HttpResponse:
    """At once, with the tokens that were asked for with it (ADR 0028). No password: whoever fears for a key should not be kept."""
    api_keys.revoke(get_object_or_404(ApiKey, user=request.user, prefix=prefix), who=Who.asks(request))
    return HttpResponseRedirect(reverse("pages:keys"))


def _shown(request: HttpRequest, form: KeyForm) -> HttpResponse:
    mine = request.user.api_keys.prefetch_related("collections")
    usable = api_keys.usable_of(request.user).values("pk")
    lately = timezone.now() - _ENDED_SHOWN
    ended = mine.exclude(pk__in=usable).exclude(revoked_at__lte=lately).exclude(revoked_at=None, expires_at__lte=lately)
    context = {
        "page": "keys",
        "form": form,
        "usable": mine.filter(pk__in=usable),
        "ended": ended,
        "asks_password": not has_just_signed_in(request),
        "collections": form.fields["collections"].queryset,
        "chosen": form["collections"].value() or [],
        "first_end": first_end(),
        "last_end": last_end(),
    }
    return render(request, "pages/keys.html", context, status=400 if form.errors else 200)
