"""Start, watch and end child processes so that none is ever left behind."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from dev.paths import ROOT

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class StartFailed(Exception):
    """A process ended or stayed silent while it was being started; the text names it and shows its log's end."""


class Service:
    """One long-running program with its own process group and one log file (appended over restarts)."""

    def __init__(self, name: str, command: list, env: dict[str, str], log: Path, *, stop_signal=signal.SIGTERM):
        self.name = name
        self.command = [os.fspath(part) for part in command]
        self.env = env
        self.log = log
        self.stop_signal = stop_signal
        self.pass_fds: tuple[int, ...] = ()  # descriptors of ours that it inherits
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        if self.is_running():
            raise RuntimeError(f"{self.name} is already running")
        # Linux ties a death signal to the thread that forks: only the main thread is sure to live long enough.
        dies_with_us = threading.current_thread() is threading.main_thread()
        parent = os.getpid()

        def in_child() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if dies_with_us:
                _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:
                    os._exit(1)

        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal must reach ./run alone, which then ends things in order.
                start_new_session=True,
                preexec_fn=in_child,
                pass_fds=self.pass_fds,
            )

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    def pids(self) -> list[int]:
        """The process and all below it, the first one first; empty when it is not running."""
        if not self.is_running():
            return []
        try:
            return [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        if self.is_running():
            os.kill(self.pid, self.stop_signal)

    def stop(self, patience: float = 15.0) -> int | None:
        """End it in its own good time, then by force; returns its exit code, None when it never ran."""
        self.ask_to_stop()
        return self.wait(patience)

    def wait(self, patience: float) -> int | None:
        """Wait up to `patience` seconds for the end, then kill what is left of its group."""
        if self._process is None:
            return None
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL to the process and everything below it, as a crash of the machine would."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def tail(self, lines: int = 20) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(services: dict[Service, object], patience: float) -> None:
    """Wait until each service's check (a function that returns True or raises OSError) holds.

    Raises StartFailed, naming the service and the end of its log, when one ended or `patience` seconds are over.
    """
    deadline = time.monotonic() + patience
    waiting = dict(services)
    while waiting:
        for service, check in list(waiting.items()):
            if _holds(check):
                del waiting[service]
            elif not service.is_running():
                raise StartFailed(f"{service.name} ended while starting.\n{_shown(service)}")
        if waiting and time.monotonic() > deadline:
            service = next(iter(waiting))
            raise StartFailed(f"{service.name} did not answer within {patience:.0f} s.\n{_shown(service)}")
        if waiting:
            time.sleep(0.05)


def _holds(check) -> bool:
    try:
        return bool(check())
    except OSError:
        return False


def _shown(service: Service) -> str:
    tail = service.tail() or "(nothing)"
    return f"The end of {service.log}:\n" + "\n".join("  " + line for line in tail.splitlines())


def end_in_order_when_told() -> None:
    """Let `kill` on ./run stop its children as Ctrl-C does; and Ctrl-C work where a shell's `&` switched it off."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
