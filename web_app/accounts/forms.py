import math

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from web_app.accounts import throttle


class SignInForm(AuthenticationForm):
    """Django's form, behind the throttle. `retry_after` is set (seconds) when the throttle refused."""

    retry_after: int | None = None

    def clean(self):
        account, address = self.cleaned_data.get("username"), self.request.META.get("REMOTE_ADDR", "")
        if not account or not self.cleaned_data.get("password"):
            return self.cleaned_data
        try:
            throttle.take_a_try(account, address)
        except throttle.TooManyTries as exc:
            self.retry_after = exc.seconds
            raise ValidationError(
                "Too many tries. Wait %(minutes)s minutes and try again.",
                code="throttled",
                params={"minutes": math.ceil(exc.seconds / 60)},
            ) from exc
        cleaned = super().clean()
        throttle.give_the_try_back(account, address)
        return cleaned
