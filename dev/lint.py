"""Check Python and shell files. nginx files are checked by tests/nginx, by nginx itself."""

import subprocess
import sys
from pathlib import Path

from dev.paths import ROOT

_BIN = Path(sys.prefix) / "bin"


def main() -> int:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        print("./run lint: needs git and a clone, to be told which files are ours", file=sys.stderr)
        return 2
    failed = 0
    for title, command in (("ruff", [_BIN / "ruff", "check", "--quiet", "."]), ("shellcheck", _shellcheck(listed.stdout))):
        done = subprocess.run(command, cwd=ROOT, check=False)
        print(f"{title:<11}{'clean' if done.returncode == 0 else 'FAILED'}", flush=True)
        failed += done.returncode != 0
    return 1 if failed else 0


def _shellcheck(listed: bytes) -> list:
    files = [name for name in listed.decode().split("\0") if name and _is_shell(ROOT / name)]
    return [_BIN / "shellcheck", *files]


def _is_shell(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(80)
    return path.suffix == ".sh" or (first.startswith(b"#!") and first.split()[-1] in (b"bash", b"sh", b"/bin/sh"))
