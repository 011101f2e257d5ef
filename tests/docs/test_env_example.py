"""`.env.example` and the code that reads the environment must name the same variables, with the same defaults."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("web_app", "services_app")
SECTIONS = {"web_app": ("both tiers", "web_app"), "services_app": ("both tiers", "services_app"), "dev": ("./run",)}
NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
LINE = re.compile(r"(?P<off>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


def documented() -> dict[str, dict[str, tuple[bool, str, str]]]:
    """Section → name → (must be set, value shown, comment above)."""
    sections: dict[str, dict[str, tuple[bool, str, str]]] = {}
    names: dict[str, tuple[bool, str, str]] = {}
    comment = ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if heading := re.fullmatch(r"# == (.+) ==", line):
            names = sections.setdefault(heading[1], {})
        elif found := LINE.fullmatch(line):
            names[found["name"]] = (not found["off"], found["value"], comment)
            continue
        comment = line if line.startswith("# ") else ""
    return sections


def read_by(package: str) -> dict[str, object]:
    """Name → default (None when there is none or it is computed) of each variable that the package reads."""
    files = [*(ROOT / package / "config").glob("*.py"), *(ROOT / package).glob("gunicorn.conf.py")]
    files += (ROOT / package).glob("*.py") if package == "dev" else []
    trees = [ast.parse(file.read_text()) for file in files]
    env = ROOT / package / "config" / "env.py"
    readers = {"os.environ.get", "_file", "_number"}
    if env.exists():
        readers |= {node.name for node in ast.parse(env.read_text()).body if isinstance(node, ast.FunctionDef)}
    found: dict[str, object] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        function, name = ast.unparse(node.func).removeprefix("env."), node.args[0].value
        if function in readers and isinstance(name, str) and NAME.fullmatch(name):
            found[name] = constant(node.args[1]) if len(node.args) > 1 else None
            if function.startswith(("secret", "database", "mail")):
                found[f"{name}_FILE"] = None
    if package == "dev":
        found = {name: default for name, default in found.items() if name.startswith("SLUICE_")}
    return found


def constant(node: ast.expr) -> object:
    """The value of an expression of literals, such as `1 << 40`; None for anything else."""
    parts = (ast.Constant, ast.BinOp, ast.operator, ast.List, ast.expr_context)
    if not all(isinstance(part, parts) for part in ast.walk(node)):
        return None
    return eval(compile(ast.Expression(node), "default", "eval"), {"__builtins__": {}})


@pytest.mark.parametrize("package", [*APPS, "dev"])
def test_every_variable_that_is_read_is_documented(package):
    known = {name for section in SECTIONS[package] for name in documented()[section]}
    assert set(read_by(package)) - known == set()


@pytest.mark.parametrize("section", ["both tiers", *APPS, "./run"])
def test_every_variable_that_is_documented_is_read(section):
    for package in (package for package, sections in SECTIONS.items() if section in sections):
        assert set(documented()[section]) - set(read_by(package)) == set(), package


@pytest.mark.parametrize("package", APPS)
def test_a_default_that_is_shown_is_the_one_in_the_code(package):
    defaults = read_by(package)
    for name, (must_be_set, shown, _) in documented()[package].items():
        default = defaults.get(name)
        if must_be_set or default in (None, ""):
            continue
        assert shown == str(default), name


def test_every_variable_has_a_comment():
    everything = [one for section in documented().values() for one in section.items()]
    assert len(everything) > 40
    bare = [name for name, (_, _, comment) in everything if not comment]
    assert bare == []


def test_no_secret_has_a_value():
    for section in documented().values():
        for name in ("INTERNAL_API_KEY", "SECRET_KEY"):
            if name in section:
                assert section[name][:2] == (True, "")
