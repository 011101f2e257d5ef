"""Which XML is it? From its first element alone."""

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
_HTML = re.compile(r"<!DOCTYPE html\b", re.IGNORECASE)
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


def kind(text: str) -> str | None:
    """The media type of text that begins with `<`, or None if that is no XML and no HTML."""
    if _HTML.match(text):
        return HTML.name
    begins = _BEFORE.match(text)
    element = _ELEMENT.match(text, begins.end())
    if element is None:
        # A first element of more than 64 KiB, or a long comment before it.
        return XML.name if re.match(r"<\?xml\s", text) else None
    name, attributes = element[1].lower(), element[2]
    if name == "html" or (name in _HTML_ELEMENTS and "xmlns" not in attributes and not text.startswith("<?")):
        return HTML.name
    if name == "svg":
        return SVG.name
    return FHIR_XML.name if "http://hl7.org/fhir" in attributes else XML.name
