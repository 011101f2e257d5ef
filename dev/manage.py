"""Run the apps' management commands, and give up at once when told to."""

import subprocess
import sys
import threading
from collections.abc import Callable

from dev.paths import ROOT
from dev.processes import StartFailed


class Manage:
    """`env_of` names the environment of an app's commands."""

    def __init__(self, env_of: Callable[[str], dict[str, str]]):
        self._env_of = env_of
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._given_up = False

    def __call__(self, app: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """stdout of `<app>/manage.py <arguments>`. Raises StartFailed with the end of its stderr."""
        with self._lock:
            if self._given_up:
                raise StartFailed("stopped")
            command = subprocess.Popen(
                [sys.executable, f"{app}/manage.py", *arguments],
                cwd=ROOT,
                env={**self._env_of(app), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._running.add(command)
        stdout, stderr = command.communicate()
        with self._lock:
            self._running.discard(command)
        if command.returncode:
            shown = "\n".join("  " + line for line in (stderr or stdout).strip().splitlines()[-12:])
            raise StartFailed(f"{app}/manage.py {arguments[0]} failed.\n{shown}")
        return stdout

    def give_up(self) -> None:
        """End what runs, start nothing more."""
        with self._lock:
            self._given_up = True
            for command in self._running:
                command.kill()
