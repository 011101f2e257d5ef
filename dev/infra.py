"""`./run infra`: deployments built from nothing and judged. Needs root, docker, docker-compose and debootstrap; two hours on two cores.

tests/infra is left out of `./run test` for that. Ansible and its linters live in an environment of their own.
"""

import os
import subprocess

from dev import bootstrap
from dev.paths import ROOT


def main(arguments: list[str]) -> int:
    python = bootstrap.ensure("infra-venv", ROOT / "dev" / "infra-requirements.txt")
    env = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    paths = [] if any(one.startswith("tests/infra") for one in arguments) else ["tests/infra"]
    command = [python, "-m", "pytest", "-p", "no:django", "--timeout=1800", "-x", "-v", *arguments, *paths]
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
