"""Whatever changes in what permission rests on, wherever it was changed, is followed by a look at the open grants."""

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models import Count
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.dispatch import receiver

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, User
from web_app.accounts.permissions import (
    is_about_permission,
    others_ended,
    password_changed,
    permission_changed,
    session_ended,
)
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.grants import browsers, revoking

_MODELS = (User, ApiKey, Collection, Membership)


def _look(sender, created=False, update_fields=None, action="post_", **kwargs):
    if created or not is_about_permission(update_fields) or not action.startswith("post_"):
        return
    revoking.sweep()
    # Again, for a grant that was issued while this transaction ran (actions.py looks behind its own commit as well).
    transaction.on_commit(revoking.sweep, robust=True)


permission_changed.connect(_look)
m2m_changed.connect(_look, sender=ApiKey.collections.through)
for model in _MODELS:
    post_save.connect(_look, sender=model)
    post_delete.connect(_look, sender=model)


@receiver(pre_delete, sender=Collection)
def keys_of_this_collection_alone_end_with_it(sender, instance, **kwargs):
    """A key whose list is empty goes everywhere."""
    scoped = ApiKey.objects.annotate(scope=Count("collections")).filter(scope=1, collections=instance)
    for key in ApiKey.objects.filter(pk__in=scoped.values("pk")).select_related("user"):
        api_keys.revoke(key, who=COMMAND)


@receiver(password_changed)
def new_password(sender, user, **kwargs):
    browsers.sign_out_everywhere(user)


@receiver(session_ended)
def ended_from_afar(sender, user, sign_in, **kwargs):
    browsers.end_sign_in(user, sign_in)


@receiver(others_ended)
def all_others_ended(sender, user, sign_in, **kwargs):
    return browsers.end_all_but(user, sign_in)


@receiver(user_logged_in)
def signed_in(sender, request, user, **kwargs):
    browsers.take_over(request, user)


@receiver(user_logged_out)
def signed_out(sender, request, user, **kwargs):
    browsers.sign_out(request)
