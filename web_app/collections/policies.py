"""May they?"""

from django.db.models import Exists, OuterRef, QuerySet

from web_app.accounts.models import ApiKey, User
from web_app.collections.models import Collection, Membership


def open_to(user: User, api_key: ApiKey | None = None) -> QuerySet[Collection]:
    """Active collections that `user` may upload to, with a key only those in its scope. Being an operator opens none: membership
    does.
    """
    if not user.is_active:
        return Collection.objects.none()
    found = Collection.objects.filter(active=True, memberships__user=user, memberships__may_upload=True)
    if api_key is not None and api_key.collections.exists():
        found = found.filter(pk__in=api_key.collections.all())
    return found


def coordinated_by(user: User) -> QuerySet[Collection]:
    """Of which `user` may see what arrived from whom; closed ones too. Being an operator opens none: membership does."""
    if not user.is_active:
        return Collection.objects.none()
    return Collection.objects.filter(memberships__user=user, memberships__coordinates=True)


def known_to(user: User) -> QuerySet[Collection]:
    """Of which `user` may know what they are called: member now, or sent something there."""
    # Asked for each by itself: joined, every membership would meet every grant.
    is_member = Exists(Membership.objects.filter(user=user, collection=OuterRef("pk")))
    has_sent = Exists(user.grants.filter(collection=OuterRef("pk")))
    return Collection.objects.filter(is_member | has_sent)


def may_upload(user: User, collection: Collection) -> bool:
    return open_to(user).filter(pk=collection.pk).exists()
