"""Structured fields (RFC 9651), read by http-sf. One that cannot be parsed is None as a whole; parameters are passed over."""

import re

from http_sf import parse

# int, bool, bytes, str … as http_sf.types has them; a list for an inner list.
Value = object

# Of a dictionary that could be parsed: a comma within a member stands in a string.
_MEMBER = re.compile(r'(?:"(?:\\.|[^"\\])*+"|[^",])++')


def item(field: str) -> Value | None:
    """The bare item (section 4.2.3)."""
    found = _parsed(field, "item")
    return found and found[0]


def members(field: str) -> list[tuple[str, Value]] | None:
    """(key, bare item or inner list) of a dictionary (section 4.2.2), where a key may come again: of two the RFC counts the last."""
    if _parsed(field, "dictionary") is None:
        return None
    parsed = (_parsed(member.strip(" \t"), "dictionary") for member in _MEMBER.findall(field))
    return [(key, value) for member in parsed for key, (value, _) in member.items()]


def _parsed(field: str, kind: str):
    try:
        return parse(field.encode("latin-1"), tltype=kind)  # as WSGI decoded it
    except ValueError:
        return None
