"""Days as the reader counts them: browsers say in which zone they show times, and days have to be of the same one."""

import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

UTC = "UTC"

_known = cache(available_timezones)


def is_known(zone: str) -> bool:
    return zone == UTC or zone in _known()


def day(moment: datetime.datetime, zone: str) -> datetime.date:
    """Which it is in `zone`."""
    return moment.astimezone(ZoneInfo(zone)).date()


def midnight(day: datetime.date, zone: str) -> datetime.datetime:
    """When `day` begins in `zone`."""
    return datetime.datetime.combine(day, datetime.time(), ZoneInfo(zone)).astimezone(datetime.UTC)
