"""A sender that has the body under way for as long as a test needs it."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator

from dev.client import Client, Reply
from tests.waiting import wait_for


class Sender:
    """PUTs in a thread: `first` bytes at once, the rest after `go_on`. `reply()` waits for the answer."""

    def __init__(self, stack, token: str, first: bytes, rest: bytes, **options):
        self._resume = threading.Event()
        self._outcome: list[Reply | Exception] = []
        self._client = Client(stack.edge_port, stack.keys.edge_ca)
        self._thread = threading.Thread(target=self._put, args=(token, first, rest, options), daemon=True)
        self._thread.start()

    def _put(self, token: str, first: bytes, rest: bytes, options: dict) -> None:
        try:
            body = self._body(first, rest)
            self._outcome.append(self._client.put(token, body, length=len(first) + len(rest), **options))
        except Exception as exc:  # noqa: BLE001  handed to the test's thread
            self._outcome.append(exc)

    def _body(self, first: bytes, rest: bytes) -> Iterator[bytes]:
        yield first
        self._resume.wait(120)
        yield rest

    def go_on(self) -> None:
        self._resume.set()

    def reply(self) -> Reply:
        self._thread.join(120)
        outcome = self._outcome[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def wait_until_taken(stack, at_least: int) -> None:
    """Until some staged file holds that many bytes."""

    def sizes() -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [entry.stat().st_size for entry in stack.staged()]
        return []

    wait_for(lambda: max(sizes(), default=0) >= at_least)


def start_curl(stack, token: str, file, *options: str) -> subprocess.Popen:
    """A curl that a test may kill; it sends slowly."""
    return subprocess.Popen(
        [
            *("curl", "-q", "--silent", "--cacert", str(stack.keys.edge_ca), "-T", str(file)),
            *("--limit-rate", "8M", "-H", f"Authorization: Bearer {token}", *options, stack.url + "/u"),
        ],
        stdout=subprocess.DEVNULL,
    )
