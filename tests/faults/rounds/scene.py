"""One round on its way: senders that hold, and what a fault needs to strike and to be undone."""

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from dev.processes import StartFailed
from tests.faults.rounds import plan
from tests.faults.rounds.ground import Ground
from tests.faults.rounds.senders import PATIENCE, Sender
from tests.faults.traced import is_traced
from tests.waiting import wait_for

_ALL_HOLD = 20.0  # seconds


class Scene:
    """`rng` decides everything; `long_stall` is how many seconds a store may stall; `findings` is what the fault itself saw go wrong."""

    def __init__(self, ground: Ground, rng: random.Random, *, long_stall: float = 3.0, by_web: bool = False, **planned):
        self.ground, self.stack, self.rng, self.long_stall = ground, ground.stack, rng, long_stall
        self._struck, self.findings = threading.Event(), []
        self.senders = [
            Sender(self.stack, sending, self._struck, by_web=by_web) for sending in plan.sendings(rng, **planned)
        ]

    def begin(self) -> None:
        for sender in self.senders:
            sender.start()

    def until_held(self) -> None:
        """Until each sender is where it is to be when the fault strikes, or at its end; then a moment more."""
        deadline = time.monotonic() + _ALL_HOLD
        for sender in self.senders:
            if sender.sending.hold is not None:
                sender.holds.wait(max(0.0, deadline - time.monotonic()))
        self.pause(0.05)

    def go_on(self) -> None:
        self._struck.set()

    def has_ended(self) -> bool:
        return all(sender.ended.is_set() for sender in self.senders)

    def finish(self) -> None:
        """Until every sender is at its end, one way or the other."""
        self.go_on()
        for sender in self.senders:
            sender.join(PATIENCE + 60)

    def pause(self, most: float, least: float = 0.0) -> None:
        """A moment of the seed's choice, in seconds: what it meets is what is looked for."""
        time.sleep(self.rng.uniform(least, most))

    def worker(self) -> int:
        """The process that takes the bytes."""
        return wait_for(lambda: (pids := self.stack.pids("uploads"))[1:] and pids[-1])

    def until_another_worker(self, worker: int) -> None:
        """Until its master has made one in its place, which answers. Raises StartFailed."""
        wait_for(lambda: (pids := self.stack.pids("uploads"))[1:] and worker not in pids)
        self.stack.wait_until_healthy("uploads")

    @contextlib.contextmanager
    def injected(self, inject: str, pids: list[int], paths: tuple[str, ...] = ()) -> Iterator[Callable[[], bool]]:
        """strace(1) changes system calls of these processes for the length of a `with` block, of those alone that name one of `paths`
        where there are any. What is given tells whether it is still there: it ends with the last of them.
        """
        calls = inject.partition(":")[0]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={inject}"]
        command += [part for path in paths for part in ("-P", path)] + [part for pid in pids for part in ("-p", str(pid))]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: tracer.poll() is not None or all(_is_traced(pid) for pid in pids))
            if tracer.poll() is not None:
                raise StartFailed(f"strace ended at once ({tracer.returncode})")
            yield lambda: tracer.poll() is None
        finally:
            tracer.terminate()
            try:
                tracer.wait(10)
            except subprocess.TimeoutExpired:
                tracer.kill()
                tracer.wait()


def _is_traced(pid: int) -> bool:
    try:
        return is_traced(pid)
    except FileNotFoundError:
        return True


def end(pid: int, signal: int) -> None:
    """Send it, unless the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal)
