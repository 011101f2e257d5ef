"""The dependency locks: everything pinned and hashed, one version everywhere, no address of any index."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = (
    "dev/requirements.txt",
    "dev/bench-requirements.txt",
    "dev/samples-requirements.txt",
    "dev/infra-requirements.txt",
    "web_app/requirements.txt",
    "services_app/requirements.txt",
)
PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>\S+)(?: ; [^\\]+)? \\")
HASHED = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def versions(lock: str) -> dict[str, str]:
    found = (PINNED.fullmatch(line) for line in (ROOT / lock).read_text().splitlines())
    return {match["name"]: match["version"] for match in found if match}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_only_pinned_names_and_their_hashes(lock):
    comment, *lines = (ROOT / lock).read_text().splitlines()
    assert comment.startswith("# Made by `./run lock`")
    assert lines
    odd = [line for line in lines if not (PINNED.fullmatch(line) or HASHED.fullmatch(line))]
    assert odd == []
    # A name without a hash would be followed by another name.
    assert all(
        HASHED.fullmatch(after) for line, after in zip(lines, [*lines[1:], ""], strict=True) if PINNED.fullmatch(line)
    )


@pytest.mark.parametrize("app", ["web_app", "services_app"])
def test_demo_and_tests_run_what_production_installs(app):
    own, ours = versions(f"{app}/requirements.txt"), versions("dev/requirements.txt")
    assert len(own) > 5
    assert {name: ours.get(name) for name in own} == own


@pytest.mark.parametrize("folder", ["dev", "web_app", "services_app"])
def test_every_wish_is_in_the_lock(folder):
    wishes = (ROOT / folder / "requirements.in").read_text().splitlines()
    named = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in wishes if line[:1].isalpha()}
    assert len(named) > 4
    assert named - set(versions(f"{folder}/requirements.txt")) == set()


def test_the_lock_for_node_holds_versions_and_hashes_and_no_address_to_fetch_from():
    folder = ROOT / "tests/clients/js"
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    packages = {name: each for name, each in lock.items() if name}
    assert lock[""]["dependencies"] == json.loads((folder / "package.json").read_text())["dependencies"]
    assert packages
    for each in packages.values():
        assert each["version"] and each["integrity"].startswith("sha512-")
        assert "resolved" not in each
