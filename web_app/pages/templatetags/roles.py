"""Where else a person may go than to their own uploads."""

from django import template

from web_app.accounts.models import User
from web_app.collections.policies import coordinated_by

register = template.Library()


@register.filter
def coordinates(user: User) -> bool:
    return coordinated_by(user).exists()
