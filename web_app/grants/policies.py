"""May they?"""

from django.db.models import QuerySet

from web_app.accounts.models import ApiKey, User
from web_app.collections.models import Collection
from web_app.grants.models import Grant


def visible_to(user: User, api_key: ApiKey | None = None) -> QuerySet[Grant]:
    """One's own only, and to a key only what lies in its scope; to one that only sends, what was begun with it. Operators look in
    the admin.
    """
    rows = Grant.objects.filter(uploader=user)
    if api_key is not None and api_key.collections.exists():
        rows = rows.filter(collection__in=api_key.collections.all())
    if api_key is not None and api_key.only_sends:
        rows = rows.filter(api_key=api_key)
    return rows.select_related("collection", "revocation")


def sent_to(collection: Collection) -> QuerySet[Grant]:
    """By everybody: for who coordinates it."""
    return Grant.objects.filter(collection=collection).select_related("uploader", "revocation")
