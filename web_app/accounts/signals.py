"""Log in, log out and failed tries, into the audit."""

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver

from web_app.accounts import api_keys
from web_app.accounts.models import User
from web_app.accounts.permissions import password_changed
from web_app.accounts.sessions import BROWSER, forget_all_of, rough_name
from web_app.audit import security
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, Who, record


@receiver(user_logged_in)
def signed_in(sender, request, user, **kwargs):
    request.session[BROWSER] = rough_name(request.META.get("HTTP_USER_AGENT", ""))
    _record(request, Action.SIGNED_IN, user, user)


@receiver(user_logged_out)
def signed_out(sender, request, user, **kwargs):
    if user is not None:
        _record(request, Action.SIGNED_OUT, user, user)


@receiver(user_login_failed)
def sign_in_failed(sender, credentials, request=None, **kwargs):
    tried = account_of(credentials)
    if security.note("sign_in_failed", request, person=tried):
        _record(request, Action.SIGN_IN_FAILED, None, tried)


def account_of(credentials: dict) -> User | None:
    """What was typed is kept only where it is an account: people type passwords into the name field."""
    name = credentials.get(User.USERNAME_FIELD)
    return User.objects.filter(username=name).first() if name else None


@receiver(password_changed)
def keys_and_sessions_end_with_the_password(sender, user, **kwargs):
    with transaction.atomic():
        api_keys.revoke_all_of(user, who=COMMAND)
        forget_all_of(user)
        record(COMMAND, Action.PASSWORD_CHANGED, "user", user.uploader_id, person=user)


def _record(request, action, actor, subject):
    address = (request.META.get("REMOTE_ADDR") or None) if request is not None else None
    with transaction.atomic():
        record(
            Who(actor, address), action, "user" if subject else "", subject.uploader_id if subject else "", person=subject
        )
