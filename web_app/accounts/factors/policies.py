"""Who is asked for a second factor?"""

from web_app.accounts.models import User


def has_factor(person: User) -> bool:
    return hasattr(person, "totp")
