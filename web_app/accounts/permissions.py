"""What permission to upload rests on: people, memberships, collections, keys. Each says here when it has changed."""

from django.db import models
from django.dispatch import Signal

# Sent in the transaction of the change. Single rows tell by Django's own signals.
permission_changed = Signal()

# Sent with `user`, behind the save: whatever the old one opened ends with it.
password_changed = Signal()

# Sent with `user` and a `sign_in` (sessions.py): this one was ended from another browser; all others were ended from this one. Whoever
# hears of the others says how much ended with them.
session_ended = Signal()
others_ended = Signal()

# Columns that say nothing about permission, and change often.
_ASIDE = frozenset({"last_login", "last_used_at"})


def is_about_permission(fields) -> bool:
    """Whether a change of these columns (None: of any) may end somebody's permission."""
    return fields is None or not _ASIDE.issuperset(fields)


class PermissionQuerySet(models.QuerySet):
    """`update` sends none of Django's signals, so it says so itself; `delete` and `bulk_update` come down to what does."""

    def update(self, **fields):
        count = super().update(**fields)
        if is_about_permission(fields):
            permission_changed.send(sender=self.model)
        return count

    update.alters_data = True
