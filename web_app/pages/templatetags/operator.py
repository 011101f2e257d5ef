"""Whom to ask: what a page says of the operator (OPERATOR_CONTACT)."""

from django import template
from django.conf import settings
from django.utils.translation import gettext as _

register = template.Library()


@register.simple_tag
def operator_contact() -> str:
    """As it was set; empty where it was not. A tag, for pages of errors are made without a request."""
    return settings.OPERATOR_CONTACT


@register.simple_tag
def links_by_mail() -> bool:
    """Whether people get links for a new password by mail here."""
    return settings.MAIL_IS_SET


@register.simple_tag
def your_operator() -> str:
    """"your Sluice operator", with the contact where there is one; static/pages/operator.js says the same."""
    words = _("your Sluice operator")
    return f"{words} ({settings.OPERATOR_CONTACT})" if settings.OPERATOR_CONTACT else words
