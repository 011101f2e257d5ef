"""How often may one person ask today for what leaves a row for ever? (ADR 0027)

Each token, each look at others' names and each export is an event of the audit, which is never pruned. The day is a counter, so that the
bound holds although grants are.
"""

import datetime

from django.conf import settings
from django.utils import timezone

from web_app.accounts.models import User
from web_app.config import errors
from web_app.grants.models import Today


def count_one(person: User) -> None:
    """Only inside the transaction of what is asked for. Raises TooManyToday."""
    now = timezone.now().astimezone(datetime.UTC)
    today, _ = Today.objects.select_for_update().get_or_create(person=person, defaults={"day": now.date()})
    if today.day != now.date():
        today.day, today.count = now.date(), 0
    if today.count >= settings.PERSON_DAILY_MAX:
        tomorrow = datetime.datetime.combine(now.date() + datetime.timedelta(days=1), datetime.time(), datetime.UTC)
        raise errors.TooManyToday(limit=settings.PERSON_DAILY_MAX, seconds=int((tomorrow - now).total_seconds()) + 1)
    today.count += 1
    today.save()
