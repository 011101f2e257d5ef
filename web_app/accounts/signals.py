"""Log in, log out and failed tries, into the audit."""

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver

from web_app.audit.models import Action
from web_app.audit.record import Who, record


@receiver(user_logged_in)
def signed_in(sender, request, user, **kwargs):
    _record(request, Action.SIGNED_IN, user, user)


@receiver(user_logged_out)
def signed_out(sender, request, user, **kwargs):
    if user is not None:
        _record(request, Action.SIGNED_OUT, user, user)


@receiver(user_login_failed)
def sign_in_failed(sender, credentials, request=None, **kwargs):
    # What was typed is kept only where it is an account: people type passwords into the name field.
    name = credentials.get(get_user_model().USERNAME_FIELD)
    tried = get_user_model().objects.filter(username=name).first() if name else None
    _record(request, Action.SIGN_IN_FAILED, None, tried)


def _record(request, action, actor, subject):
    address = (request.META.get("REMOTE_ADDR") or None) if request is not None else None
    with transaction.atomic():
        record(Who(actor, address), action, "user" if subject else "", subject.uploader_id if subject else "")
