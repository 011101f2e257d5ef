"""The documents as the tests read them: every .md file of the repository, and what stands in it as code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))

_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4,}\S.*$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(path: Path) -> str:
    """Without blocks of code, which show examples and not this repository."""
    return _BLOCK.sub("", path.read_text())


def spans(path: Path) -> list[str]:
    """What stands between backticks in running text."""
    return _SPAN.findall(prose(path))


def code(path: Path) -> list[str]:
    """Spans, and the lines of blocks and of indented code."""
    text = path.read_text()
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()[1:-1]]
    return spans(path) + [line.strip() for line in lines + _INDENTED.findall(prose(path))]


def links(path: Path) -> list[str]:
    return _LINK.findall(_SPAN.sub("", prose(path)))


def anchors(path: Path) -> set[str]:
    """The fragments that headings can be reached under, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
