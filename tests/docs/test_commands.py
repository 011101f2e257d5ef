"""Commands in the documents can be typed as they stand there."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from dev.cli import _parser
from tests.docs.markdown import FILES, ROOT, code, shown

FROM_DJANGO = {"migrate", "collectstatic", "createsuperuser", "clearsessions"}
TIERS = {"web_app": "web tier", "services_app": "services tier"}


def run_lines(path: Path) -> list[str]:
    """`./run …` with what follows, up to an explanation behind two spaces."""
    found = [re.match(r"(?:.*\s)?\./run(?= |$)(.*)", line) for line in code(path)]
    return [match[1].strip().split("  ")[0] for match in found if match]


def manage_lines(path: Path) -> list[str]:
    return [part for line in code(path) for part in re.findall(r"manage\.py (\w.*?)(?= · |$)", line)]


def own_commands() -> dict[str, dict[str, Path]]:
    """Name → tier → file: both tiers may have one of a name."""
    found: dict[str, dict[str, Path]] = {}
    for app, tier in TIERS.items():
        for file in (ROOT / app).glob("*/management/commands/[a-z]*.py"):
            found.setdefault(file.stem, {})[tier.split()[0]] = file
    return found


def test_readme_shows_the_two_commands():
    assert {"demo", "test"} <= set(run_lines(ROOT / "README.md"))


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_run_command_is_one_that_run_knows(path):
    parser, _ = _parser()
    for line in run_lines(path):
        words = line.split()
        if not words:
            continue
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                options, rest = parser.parse_known_args(words)
            except SystemExit:
                pytest.fail(f"./run {line}: {said.getvalue()}")
        assert not rest or options.takes_more, line


def test_every_command_of_run_is_told_of_somewhere():
    _, known = _parser()
    told = {line.split()[0] for path in FILES for line in run_lines(path) if line}
    assert {name for name, _ in known} - told == set()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_management_command_exists_with_its_options(path):
    commands = own_commands()
    for line in manage_lines(path):
        name, *rest = line.split()
        assert name in FROM_DJANGO or name in commands, line
        if name in commands and name not in FROM_DJANGO:
            source = "".join(file.read_text() for file in commands[name].values())
            assert [word for word in rest if word.startswith("--") and f'"{word}"' not in source] == [], line


def test_operations_tells_of_every_management_command_and_on_which_tier():
    text = (ROOT / "docs" / "operations.md").read_text()
    for name, own in own_commands().items():
        lines = [line for line in text.splitlines() if re.search(rf"manage\.py {name}\b", line)]
        assert lines, name
        for line in lines:
            tiers = set(re.findall(r"\b(web|services)\b", line.split("manage.py")[0] + " ".join(line.split("|")[2:3])))
            assert tiers <= own.keys(), line


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_module_that_is_run_by_hand_exists(path):
    for module in re.findall(r"python3? -m ((?:tests|dev)[\w.]*)", "\n".join(code(path))):
        file = ROOT / module.replace(".", "/")
        assert file.with_suffix(".py").exists() or (file / "__main__.py").exists(), module
