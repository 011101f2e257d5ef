"""Run another people's client as a program of its own: one JSON plan on its stdin, one JSON event a line on its stdout."""

import json
import queue
import subprocess
import threading
from pathlib import Path

from dev import environments

PATIENCE = 90.0  # seconds


class Program:
    """A client under way. Trust in the edge comes from `trust` alone: environment variables that the client itself knows."""

    def __init__(self, command: list, plan: dict, trust: dict[str, Path]):
        env = {**environments.inherited(), **{name: str(path) for name, path in trust.items()}}
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._events: queue.Queue = queue.Queue()
        self._noise: list[str] = []
        readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._listen)]
        for reader in readers:
            reader.start()
        self._process.stdin.write(json.dumps(plan))
        self._process.stdin.close()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_exc) -> None:
        self._process.kill()
        self._process.wait()

    def event(self, name: str) -> dict:
        """The next event of this name. Fails when another end comes first, with what the client said."""
        while (event := self._events.get(timeout=PATIENCE)) is not None:
            if event["event"] == name:
                return event
            assert event["event"] != "failed", f"the client gave up: {event}\n{self._said()}"
        raise AssertionError(f"the client ended without {name!r}\n{self._said()}")

    def _read(self) -> None:
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def _listen(self) -> None:
        self._noise.extend(self._process.stderr)

    def _said(self) -> str:
        return "".join(self._noise[-30:])
