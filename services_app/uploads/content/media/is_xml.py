"""Is it XML, and which? From what stands before its first element, and from that. A word in angle brackets is none."""

import re

from .table import FHIR_XML, HTML, SVG, XML

# Declaration, comments, instructions and the document type may stand before the first element.
_BEFORE = re.compile(
    r"(?:\s++|<\?(?:[^?]|\?(?!>))*+\?>|<!--(?:[^-]|-(?!->))*+-->|<!DOCTYPE[^>\[]*+(?:\[[^\]]*+\]\s*+)?>)*+",
    re.IGNORECASE,
)
_ELEMENT = re.compile(
    r"""<(?:[A-Za-z_][\w.-]*+:)?([A-Za-z_][\w.-]*+)((?:\s++[\w:.-]++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'))*+)\s*+/?>"""
)
_HTML = re.compile(r"<!DOCTYPE\s+html(?=[\s>]|\Z)", re.IGNORECASE)
_DECLARED = re.compile(r"<\?xml[\s-]|<!DOCTYPE\s", re.IGNORECASE)
_CLOSES = re.compile(r"""</([\w:.-]++)\s*+>|<[\w:.-]++(?:\s++[\w:.-]++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'))*+\s*+/>""")
# What a page or a piece of one begins with, where no namespace says otherwise.
_HTML_ELEMENTS = {
    "html",
    "head",
    "body",
    "table",
    "div",
    "p",
    "span",
    "a",
    "b",
    "h1",
    "h2",
    "ul",
    "ol",
    "style",
    "script",
    "meta",
}


def kind(text: str, *, cut: bool) -> str | None:
    """The media type of text that begins with `<`, or None if that is no XML and no HTML. With `cut` more follows."""
    begins = _BEFORE.match(text)
    if _HTML.match(text) or _HTML.search(begins[0]):
        return HTML.name
    element = _ELEMENT.match(text, begins.end())
    if element is None:
        # A first element of more than 64 KiB, or a long comment before it.
        return XML.name if re.match(r"<\?xml\s", text) else None
    name, attributes = element[1].lower(), element[2]
    declared = _DECLARED.search(begins[0])
    if name == "html" or (name in _HTML_ELEMENTS and "xmlns" not in attributes and not declared):
        is_page = name == "html" and (declared or text[element.end() :].lstrip().startswith("<"))
        return HTML.name if is_page or _is_markup(text, element) else None
    if not declared and not (_is_markup(text, element) and (cut or text.rstrip().endswith(">"))):
        return None
    if name == "svg":
        return SVG.name
    return FHIR_XML.name if "http://hl7.org/fhir" in attributes else XML.name


def _is_markup(text: str, first: re.Match) -> bool:
    """Whether the first element has an attribute or a prefix, or is closed, or the first that is closed had been opened."""
    if first[2] or ":" in first[0] or first[0].endswith("/>"):
        return True
    closes = _CLOSES.search(text, first.end())
    return closes is not None and (closes[1] is None or f"<{closes[1]}" in text[: closes.start()])
