"""Numbers and types as a data manager reads them. The size rule is the one of static/pages/format.js."""

from django import template

from web_app.collections.media_types import in_words
from web_app.collections.media_types import takes_empty as _takes_empty

register = template.Library()

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


@register.filter
def readable_size(size: int | None) -> str:
    """Bytes in binary units: "327 MiB", "1 TiB". Nothing for None."""
    if size is None:
        return ""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    number = f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
    return f"{number} {_UNITS[unit]}"


@register.filter
def readable_types(media_types: list[str]) -> str:
    """An allow-list as one phrase: "ZIP, DICOM or any image". Nothing for an empty list, which allows every type."""
    names = list(dict.fromkeys(in_words(media_type) for media_type in media_types))
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


@register.filter
def takes_empty(media_types: list[str]) -> bool:
    """Whether an allow-list takes an empty file."""
    return _takes_empty(media_types)


@register.filter
def readable_type(media_type: str) -> str:
    """One type: "SAS dataset"."""
    return in_words(media_type)
