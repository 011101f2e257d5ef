"""Log in and out."""

import time

from django.contrib.auth import views
from django.db import transaction

from web_app.accounts.binding import forget_binding
from web_app.accounts.forms import SignInForm
from web_app.audit.models import Action
from web_app.audit.record import Who, record

# Set by signing out, for the page that comes next: only there does the browser forget what it knows of unfinished uploads.
SIGNED_OUT = "__Host-sluice-signed-out"


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
        response = super().form_valid(form)
        self.request.session["signed_in_at"] = int(time.time())
        return response

    def form_invalid(self, form):
        response = super().form_invalid(form)
        if form.retry_after is not None:
            with transaction.atomic():
                record(Who.asks(self.request), Action.SIGN_IN_THROTTLED)
            response.status_code = 429
            response["Retry-After"] = str(form.retry_after)
        return response


class SignOut(views.LogoutView):
    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        # What this browser still holds of upload URLs is worthless from now on.
        forget_binding(response)
        response.set_cookie(SIGNED_OUT, "1", max_age=60, path="/", secure=True, httponly=True, samesite="Strict")
        return response
