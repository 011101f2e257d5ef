"""A page's module, and the links by which a browser asks for all that it imports at once, not one floor after the other: the texts in the
page's language too, which text.js imports by itself.
"""

import functools
import re
from pathlib import PurePosixPath

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language

register = template.Library()

_SAYS = "pages/text.js"

_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?from\s+["'](\.[^"']+)["']""", re.MULTILINE)


@register.simple_tag
def module(name: str) -> str:
    """`{% module 'pages/upload.js' %}`: its script, behind a `modulepreload` for each module that it leads to."""
    return format_html('{}<script type="module" src="{}"></script>', _links(leads_to(name)), static(name))


@register.simple_tag
def later(name: str) -> str:
    """`{% later 'pages/desk.js' %}`: links to this module and to all that it leads to, for a script that puts them into the page once that
    is ready. Until then a browser leaves them alone.
    """
    return format_html('<template id="later">{}</template>', _links((name, *leads_to(name))))


def _links(names: tuple[str, ...]) -> str:
    texts = f"pages/texts/{get_language()}.js"
    if _SAYS in names and finders.find(texts):
        names = (*names, texts)
    return format_html_join("", '<link rel="modulepreload" href="{}">', ((static(one),) for one in names))


@functools.cache
def leads_to(name: str) -> tuple[str, ...]:
    """Every module that `name` imports, near ones first, each once. Raises FileNotFoundError."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        for one in _imports(waiting.pop(0)):
            if one not in found and one != name:
                found[one] = None
                waiting.append(one)
    return tuple(found)


def _imports(name: str) -> list[str]:
    path = finders.find(name)
    if path is None:
        raise FileNotFoundError(name)
    with open(path, encoding="utf-8") as file:
        return [str(PurePosixPath(name).parent / PurePosixPath(one)) for one in _IMPORT.findall(file.read())]
