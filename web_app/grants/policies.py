"""May they?"""

from django.db.models import QuerySet

from web_app.accounts.models import User
from web_app.grants.models import Grant


def visible_to(user: User) -> QuerySet[Grant]:
    """One's own only. Operators look in the admin."""
    return Grant.objects.filter(uploader=user).select_related("collection").prefetch_related("stored")
