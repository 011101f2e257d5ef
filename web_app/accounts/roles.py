"""What a person may do in the whole place, beside their collections: Django's groups, made anew by every `migrate` (ADR 0036).

Roles in one collection stand in its memberships. Superusers need none of these.
"""

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.db.models.signals import post_migrate
from django.dispatch import receiver

# Role → its group, and the rights of that: apps with all that can be done to their rows, and with looking alone.
ROLES = {
    "auditor": ("Auditors", (), ("audit", "grants", "proof")),
    "operator": ("Operators", ("accounts", "collections"), ("audit", "grants", "proof")),
}
_APPS = sorted({label for _, whole, looking in ROLES.values() for label in (*whole, *looking)})


@receiver(post_migrate)
def make_groups(sender, using, **kwargs):
    if sender.label != "accounts":
        return
    for label in _APPS:  # those of apps that come later in the list are not there yet
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    for name, whole, looking in ROLES.values():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        of_whole = Q(content_type__app_label__in=whole)
        of_looking = Q(content_type__app_label__in=looking, codename__startswith="view_")
        group.permissions.set(Permission.objects.using(using).filter(of_whole | of_looking))
