import datetime


def rfc3339(value: datetime.datetime | None) -> str | None:
    """As every answer of the web API writes a moment: UTC, whole seconds."""
    return value.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if value else None
