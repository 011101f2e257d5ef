"""Structured fields (RFC 9651), read by http-sf. One that cannot be parsed is None as a whole; parameters are passed over."""

from http_sf import parse

# int, bool, bytes, str … as http_sf.types has them; a list for an inner list.
Value = object


def item(field: str) -> Value | None:
    """The bare item (section 4.2.3)."""
    found = _parsed(field, "item")
    return found and found[0]


def dictionary(field: str) -> dict[str, Value] | None:
    """Key → bare item or inner list (section 4.2.2). Of two members of one key the last counts."""
    found = _parsed(field, "dictionary")
    return found if found is None else {key: value for key, (value, _) in found.items()}


def _parsed(field: str, kind: str):
    try:
        return parse(field.encode("latin-1"), tltype=kind)  # as WSGI decoded it
    except ValueError:
        return None
