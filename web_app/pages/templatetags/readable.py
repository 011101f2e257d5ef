"""Numbers and types as a data manager reads them. The size rule is the one of static/pages/format.js."""

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from web_app.collections.media_types import in_words
from web_app.collections.media_types import takes_empty as _takes_empty
from web_app.collections.media_types import takes_folders as _takes_folders

register = template.Library()

_UNITS = ("", gettext_noop("KiB"), gettext_noop("MiB"), gettext_noop("GiB"), gettext_noop("TiB"), gettext_noop("PiB"))


@register.filter
def readable_size(size: int | None) -> str:
    """Bytes in binary units: "327 MiB", "1 TiB". Nothing for None."""
    if size is None:
        return ""
    if size < 1024:
        return _bytes(size, str(size))
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    number = f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
    return f"{number_format(number)} {_(_UNITS[unit])}"


@register.filter
def exact_bytes(size: int) -> str:
    """ "342,884,352 bytes"."""
    return _bytes(size, number_format(size, force_grouping=True))


def _bytes(count: int, shown: str) -> str:
    return ngettext("%(count)s byte", "%(count)s bytes", count) % {"count": shown}


@register.filter
def readable_files(count: int) -> str:
    """ "3 files"."""
    return ngettext("%(count)s file", "%(count)s files", count) % {"count": number_format(count)}


@register.filter
def is_rounded(size: int | None) -> bool:
    """Whether `readable_size` leaves bytes unsaid."""
    return size is not None and size >= 1024


@register.filter
def readable_types(media_types: list[str]) -> str:
    """An allow-list as one phrase: "ZIP, DICOM or any image". Nothing for an empty list, which allows every type."""
    names = list(dict.fromkeys(_(in_words(media_type)) for media_type in media_types))
    return _("%(some)s or %(last)s") % {"some": ", ".join(names[:-1]), "last": names[-1]} if len(names) > 1 else "".join(names)


@register.filter
def takes_empty(media_types: list[str]) -> bool:
    """Whether an allow-list takes an empty file."""
    return _takes_empty(media_types)


@register.filter
def takes_folders(media_types: list[str]) -> bool:
    """Whether an allow-list takes the archive that a folder travels as."""
    return _takes_folders(media_types)


@register.filter
def readable_type(media_type: str) -> str:
    """One type: "SAS dataset"."""
    return _(in_words(media_type))
