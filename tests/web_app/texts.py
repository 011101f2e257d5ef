"""Every text that is marked to be translated: found here anew each time, so that none is forgotten."""

import ast
import json
import re
from pathlib import Path

from django.template import engines
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from web_app.collections.media_types import FAMILIES, KNOWN

WEB_APP = Path(__file__).resolve().parents[2] / "web_app"
TEMPLATES = WEB_APP / "pages" / "templates"
SCRIPTS = WEB_APP / "pages" / "static" / "pages"
SINGLE, PLURAL = {"_", "gettext", "gettext_lazy", "gettext_noop"}, {"ngettext"}

# A text; of such as are counted, (one, many).
Text = str | tuple[str, str]


def of_web_app() -> set[Text]:
    """What stands in templates and Python."""
    found: set[Text] = {each.words for each in KNOWN} | set(FAMILIES.values())
    for path in pages():
        found |= of_template(path.read_text())
    for path in WEB_APP.rglob("*.py"):
        found |= of_python(path.read_text())
    return found


def pages() -> list[Path]:
    """The templates that are translated: those of the admin are English."""
    return [path for path in sorted(TEMPLATES.rglob("*.html")) if path.relative_to(TEMPLATES).parts[0] != "admin"]


def of_template(source: str) -> set[Text]:
    template = engines["django"].from_string(source).template
    found: set[Text] = set(re.findall(r'_\("([^"]+)"\)', source))
    for node in template.nodelist.get_nodes_by_type(TranslateNode):
        found.add(node.filter_expression.var.literal or str(node.filter_expression.var))
    for node in template.nodelist.get_nodes_by_type(BlockTranslateNode):
        one, _ = node.render_token_list(node.singular)
        many, _ = node.render_token_list(node.plural)
        found.add((_trimmed(one), _trimmed(many)) if node.plural else _trimmed(one))
    return found


def _trimmed(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())


def of_python(source: str) -> set[Text]:
    found: set[Text] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        said = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if node.func.id in SINGLE and said:
            found.add(said[0])
        elif node.func.id in PLURAL:
            found.add((said[0], said[1]))
    return found


# -- scripts: t("…" + "…", …) and tn(count, "…", "…", …)

_LITERAL = r'"(?:[^"\\]|\\.)*"'
_TEXT = rf"{_LITERAL}(?:\s*\+\s*{_LITERAL})*"
MARKED = re.compile(rf"\bt\(\s*({_TEXT})|\btn\(\s*(?:[^\"(]|\([^()]*\))*?,\s*({_TEXT}),\s*({_TEXT})")


def of_scripts() -> set[Text]:
    return {text for path in sorted(SCRIPTS.glob("*.js")) for text in of_script(path.read_text())}


def of_script(source: str) -> set[Text]:
    return {_joined(text) if text else (_joined(one), _joined(many)) for text, one, many in MARKED.findall(source)}


def _joined(literals: str) -> str:
    return "".join(json.loads(one) for one in re.findall(_LITERAL, literals))
