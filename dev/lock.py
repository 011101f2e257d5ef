"""Re-make the dependency locks: exact versions with hashes, one version everywhere, for Python 3.11 and up."""

import os
import subprocess
import sys
from pathlib import Path

from dev.bootstrap import Missing
from dev.paths import ROOT, STATE

UV = "uv==0.13.9"
# The environment of the demo and the tests comes first; the others are then held to its versions.
LOCKS = (
    "dev/requirements",
    "web_app/requirements",
    "services_app/requirements",
    "dev/bench-requirements",
    "dev/samples-requirements",
    "dev/infra-requirements",
)


def lock(upgrade: bool) -> int:
    (STATE / "lock").mkdir(parents=True, exist_ok=True)
    uv = _uv()
    for name in LOCKS:
        source, target = f"{name}.in", ROOT / f"{name}.txt"
        command = [uv, "pip", "compile", "--quiet", "--universal"]
        command += ["--python-version", "3.11", "--generate-hashes"]
        # No addresses of indexes and no paths of this machine in a committed file.
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
        if upgrade:
            command.append("--upgrade")
        if name != LOCKS[0]:
            command += ["--constraint", f"{LOCKS[0]}.txt"]
        draft = STATE / "lock" / (name.replace("/", "-") + ".txt")
        if target.exists():
            draft.write_bytes(target.read_bytes())
        command += ["--output-file", os.fspath(draft), source]
        _run(command, f"{source} could not be resolved")
        target.write_text(f"# Made by `./run lock` from {source}. Do not edit.\n" + _body(draft))
        print(f"  {target.relative_to(ROOT)}")
    return 0


def _body(draft: Path) -> str:
    return "".join(line for line in draft.read_text().splitlines(keepends=True) if not line.startswith("#"))


def _uv() -> Path:
    """uv lives in an environment of its own: only this command needs it."""
    venv = STATE / "lock" / "venv"
    uv = venv / "bin" / "uv"
    if not uv.exists():
        _run([sys.executable, "-m", "venv", "--clear", venv], "no environment for uv could be made")
    _run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", UV], "uv could not be installed")
    return uv


def _run(command: list, failure: str) -> None:
    """What the command says goes to the terminal. Raises Missing."""
    if subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode:
        raise Missing(f"./run lock: {failure}; no lock was changed after that.")
