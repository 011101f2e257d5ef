"""Where a password is typed: Django's forms, behind the throttle. `refused` is set when it was not looked at."""

import contextlib
import math

from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from web_app.accounts import hashing, throttle
from web_app.accounts.devices import device_of
from web_app.config import errors


class _Throttled:
    refused: throttle.TooManyTries | errors.WebBusy | None = None

    @contextlib.contextmanager
    def _one_try(self, account: str):
        """At this account's password; a block that raises was a wrong one. Raises ValidationError."""
        address, device = self.request.META.get("REMOTE_ADDR", ""), device_of(self.request, account)
        try:
            # The place first: who is sent away for want of one has had no try.
            with hashing.by_who_is_known(account) if device else contextlib.nullcontext(), hashing.place():
                throttle.take_a_try(account, address, device)
                yield
        except throttle.TooManyTries as exc:
            self.refused = exc
            minutes = math.ceil(exc.seconds / 60)
            text = ngettext(
                "Too many tries. Wait %(minutes)s minute and try again.", "Too many tries. Wait %(minutes)s minutes and try again.", minutes
            )
            raise ValidationError(text, code="throttled", params={"minutes": minutes}) from exc
        except errors.WebBusy as exc:
            self.refused = exc
            raise ValidationError(
                _("Many people are signing in at this moment, so your password was not looked at. Try again in a moment."), code="busy"
            ) from exc
        throttle.give_the_try_back(account, address, device)


class SignInForm(_Throttled, AuthenticationForm):
    def clean(self):
        account = self.cleaned_data.get("username")
        if not account or not self.cleaned_data.get("password"):
            return self.cleaned_data
        with self._one_try(account):
            return super().clean()


class NewPasswordForm(_Throttled, PasswordChangeForm):
    """Who found a session open is not to try passwords here."""

    def __init__(self, *args, request, **kwargs):
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self):
        with self._one_try(self.user.get_username()):
            return super().clean_old_password()
