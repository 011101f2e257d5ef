"""Log in and out, and change one's password. The second step of signing in is in factors/views.py."""

from django.conf import settings
from django.contrib.auth import views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView

from web_app.accounts import hashing, signing_in
from web_app.accounts.binding import forget_binding
from web_app.accounts.factors.policies import has_factor, is_demanded_of
from web_app.accounts.forms import NewPasswordForm, SignInForm
from web_app.accounts.sensitive import has_just_signed_in
from web_app.accounts.signals import account_of
from web_app.accounts.throttle import TooManyTries
from web_app.audit import security
from web_app.audit.models import Action
from web_app.audit.record import Who, record
from web_app.config.problems import told

# Set by signing out, for the page that comes next: only there does the browser forget what it knows of unfinished uploads.
SIGNED_OUT = "__Host-sluice-signed-out"


def comes_from_our_page(request) -> bool:
    """No page of another origin, of a sibling's or of another port can make a browser say this (fetch standard, `Origin`)."""
    return request.headers.get("Origin") in (f"{request.scheme}://{request.get_host()}", settings.PUBLIC_URL)


def _with_why(response, form):
    """The form again, with the status of why the password in it was not looked at."""
    if isinstance(form.refused, TooManyTries):
        response.status_code = 429
        response["Retry-After"] = str(form.refused.seconds)
    elif form.refused is not None:
        told(form.refused, response)
    return response


class SignIn(views.LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = False

    def get(self, request, *args, **kwargs):
        signed_out = request.COOKIES.get(SIGNED_OUT) == "1"
        response = self.render_to_response(self.get_context_data(signed_out=signed_out))
        if signed_out:
            response.delete_cookie(SIGNED_OUT, path="/", samesite="Strict")
        return response

    def form_valid(self, form):
        person, then = form.get_user(), self.get_success_url()
        if has_factor(person) or is_demanded_of(person):
            signing_in.begin(self.request, person, then)
            return redirect("accounts:second-step" if has_factor(person) else "accounts:set-up-app")
        response = HttpResponseRedirect(then)
        signing_in.complete(self.request, response, person, with_factor=False)
        return response

    def form_invalid(self, form):
        response = super().form_invalid(form)
        if isinstance(form.refused, TooManyTries):
            # One row for each hour: whoever is refused a thousand times adds no thousand events.
            if security.note("sign_in_throttled", self.request, person=account_of(form.cleaned_data)):
                with transaction.atomic():
                    record(Who.asks(self.request), Action.SIGN_IN_THROTTLED)
        return _with_why(response, form)


@method_decorator(never_cache, name="dispatch")
class ChangePassword(views.PasswordChangeView):
    """For everybody, operators too. With the old one go the API keys, and what other browsers opened."""

    template_name = "accounts/password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("accounts:password-changed")
    extra_context = {"page": "password"}

    def dispatch(self, request, *args, **kwargs):
        if not request.user.is_authenticated or not has_just_signed_in(request):
            return redirect_to_login(request.get_full_path())
        with hashing.by_who_is_known(request.user.get_username()):
            return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self):
        return {**super().get_form_kwargs(), "request": self.request}

    def form_invalid(self, form):
        response = super().form_invalid(form)
        response.status_code = 400
        return _with_why(response, form)


@method_decorator(never_cache, name="dispatch")
class PasswordChanged(LoginRequiredMixin, TemplateView):
    template_name = "accounts/password_changed.html"


class SignOut(views.LogoutView):
    """Whoever signed in again in another tab has a form with a token of the session before. That it comes from a page of ours is what
    counts, and the browser says so itself; of one that does not, the form's token has to hold.
    """

    @method_decorator([csrf_exempt, never_cache])
    def dispatch(self, request, *args, **kwargs):
        if comes_from_our_page(request):
            return super(views.LogoutView, self).dispatch(request, *args, **kwargs)
        return super().dispatch(request, *args, **kwargs)  # asks for the token

    def post(self, request, *args, **kwargs):
        # The page says whose it is; a page of before somebody else signed in must not sign them out unasked.
        of_page = request.POST.get("person")
        if of_page and request.user.is_authenticated and of_page != request.user.uploader_id:
            return render(request, "accounts/somebody_else.html", status=409)
        response = super().post(request, *args, **kwargs)
        # What this browser still holds of upload URLs is worthless from now on.
        forget_binding(response)
        response.set_cookie(SIGNED_OUT, "1", max_age=60, path="/", secure=True, httponly=True, samesite="Strict")
        return response
