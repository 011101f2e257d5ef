"""A program on this host, one run for each file. What it prints is thrown away: it may hold names.

timeout(1) stands between: it ends the program and what that started, also when our process was killed meanwhile. So a lease that
lasts a little longer (turns.py) leaves no run behind, and no two are under way.
"""

import contextlib
import os
import signal
import subprocess
import threading

from services_app.hooks.hook import Hook
from services_app.outbox.handed import Handed, Outcome
from services_app.store.nas import LocalFileSystemStorage

TIMEOUT = "/usr/bin/timeout"
KILL_AFTER = 5  # seconds between TERM and KILL
_TIMED_OUT = (124, 128 + signal.SIGKILL, -signal.SIGKILL)  # as timeout(1) says it

_lock = threading.Lock()
_running: set[int] = set()


def run(hook: Hook, handed: Handed, store: LocalFileSystemStorage) -> Outcome:
    """Exit status 0 takes the file; 1 of a program whose verdict is required says that it must not be released."""
    argv = [TIMEOUT, f"--kill-after={KILL_AFTER}", str(hook.timeout), *hook.command]
    nothing = subprocess.DEVNULL
    try:
        with _lock:  # a process that is started is one that end_all knows
            process = subprocess.Popen(  # noqa: S603  an operator's words, and no shell
                argv,
                env=environment(handed, store),
                cwd="/",
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                start_new_session=True,
            )
            _running.add(process.pid)
    except OSError as exc:
        return Outcome.again(f"not_started_{exc.errno}")
    status = _end_of(process)
    if status in _TIMED_OUT:
        return Outcome.again("timeout")
    if status == 1 and hook.required:
        return Outcome.found("exit_1")
    return Outcome.taken() if status == 0 else Outcome.again(f"exit_{status}")


def environment(handed: Handed, store: LocalFileSystemStorage) -> dict[str, str]:
    """All that the program is told: ids, and where the file lies. Nothing of our own environment, which holds secrets."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SLUICE_KEY": handed.key,
        "SLUICE_EVENT": handed.on,
        "SLUICE_UPLOAD_ID": handed.upload_id,
        "SLUICE_COLLECTION": handed.collection,
        "SLUICE_SIZE": str(handed.size),
        "SLUICE_SHA256": handed.sha256,
        "SLUICE_PATH": str(store.path(handed.name)),
    }


def end_all() -> None:
    """End every program that runs, and what it started."""
    with _lock:
        for pid in _running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _end_of(process: subprocess.Popen) -> int:
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with _lock:  # not reaped yet, so that its number is nobody else's
        _running.discard(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
    return process.wait()
