"""`./run bench`: the peers get an environment of their own, so that their dependencies never meet ours."""

import os
import subprocess
import sys

from dev import bootstrap
from dev.paths import ROOT


def main(arguments: list[str]) -> int:
    """tests/bench finds the peers' Python in SLUICE_BENCH_PYTHON."""
    peers = bootstrap.ensure("bench-venv", ROOT / "dev" / "bench-requirements.txt")
    env = {**os.environ, "SLUICE_BENCH_PYTHON": os.fspath(peers)}
    return subprocess.run([sys.executable, "-m", "tests.bench", *arguments], cwd=ROOT, env=env, check=False).returncode
