"""Both tiers count and name requests alike, each by its own code: what was found out for one holds for the other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("metrics/shared.py", "_Slot"),
        ("metrics/shared.py", "_usable"),
        ("metrics/found.py", "_gauge"),
        ("config/request_id.py", "_FORM"),
        ("config/request_id.py", "RequestIdMiddleware"),
        ("status/judge.py", "CERTIFICATE_WARNING"),
        ("status/judge.py", "KEY_AGE_WARNING"),
        ("status/judge.py", "EXIT"),
    ],
)
def test_both_tiers_watch_alike(file, name):
    ours, theirs = (code(ROOT / app / file, name) for app in ("web_app", "services_app"))
    assert ours == theirs


def code(path: Path, name: str) -> str:
    """The definition of `name`, without its docstring."""
    for node in ast.parse(path.read_text()).body:
        if getattr(node, "name", None) == name:
            if ast.get_docstring(node):
                node.body = node.body[1:]
            return ast.unparse(node)
        if isinstance(node, ast.Assign) and name in ast.unparse(node.targets[0]):
            return ast.unparse(node.value)
    raise AssertionError(f"{path.name} has no {name}")
