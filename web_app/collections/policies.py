"""May they?"""

from django.db.models import QuerySet

from web_app.accounts.models import User
from web_app.collections.models import Collection


def open_to(user: User) -> QuerySet[Collection]:
    """Active collections that `user` may upload to. Being an operator opens none: membership does."""
    if not user.is_active:
        return Collection.objects.none()
    return Collection.objects.filter(active=True, memberships__user=user, memberships__may_upload=True)


def may_upload(user: User, collection: Collection) -> bool:
    return open_to(user).filter(pk=collection.pk).exists()
