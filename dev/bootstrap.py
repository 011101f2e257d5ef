"""Make `.state/venv` from the lock on first use; say what the machine lacks. Standard library only.

An environment is built beside the one in use, under a name that holds the lock's hash, and `.state/venv` is
pointed at it when it is complete. An interrupted build is therefore never mistaken for a finished one, and
running processes keep theirs.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.paths import ROOT, STATE


class Missing(Exception):
    """Something that this machine lacks; the text names the command that cures it."""


def check_machine() -> None:
    """Raise Missing for what pip cannot bring."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise Missing("Python's venv module is missing.\n  sudo apt install python3-venv")
    try:
        ctypes.CDLL("libmagic.so.1")
    except OSError:
        raise Missing(
            "libmagic, which tells file types from content, is missing.\n  sudo apt install libmagic1"
        ) from None


def enter() -> None:
    """Return when inside the environment; otherwise make it if need be and start again inside it."""
    if Path(sys.prefix).resolve() == (STATE / "venv").resolve():
        return
    check_machine()
    python = ensure("venv", ROOT / "dev" / "requirements.txt")
    os.execv(python, [os.fspath(python), *sys.argv])


def ensure(name: str, lock: Path) -> Path:
    """The Python of environment `.state/<name>`, which holds exactly what `lock` lists."""
    link = STATE / name
    wanted = f"{name}-{_fingerprint(lock)}"
    if _is_ready(link, wanted):
        return link / "bin" / "python"
    try:
        STATE.mkdir(exist_ok=True)
    except OSError as exc:
        raise Missing(f"{STATE}, where everything is made, cannot be made itself: {exc.strerror}.") from exc
    if not os.access(STATE, os.W_OK | os.X_OK):
        raise Missing(f"{STATE}, where everything is made, cannot be written to. Whose is it?")
    with _only_one(STATE / f"{name}.lock"):
        if not _is_ready(link, wanted):
            _build(STATE / wanted, lock)
            previous = os.readlink(link) if link.is_symlink() else None
            _point(link, wanted)
            _remove_older(name, keep={wanted, previous})
    return link / "bin" / "python"


def _fingerprint(lock: Path) -> str:
    """An environment fits one lock, one Python and one place (its scripts hold their own path)."""
    parts = (lock.read_bytes(), sys.version.encode(), os.fsencode(ROOT))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _is_ready(link: Path, wanted: str) -> bool:
    return link.is_symlink() and os.readlink(link) == wanted and (link / "bin" / "python").exists()


@contextlib.contextmanager
def _only_one(path: Path):
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another ./run is setting up; waiting for it …", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(folder: Path, lock: Path) -> None:
    shown = lock.relative_to(ROOT)
    print(f"Setting up Python packages from {shown} (once; about a minute) …", file=sys.stderr, flush=True)
    _quietly([sys.executable, "-m", "venv", "--clear", folder], "could not make a virtual environment")
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _quietly([*pip, "install", "--quiet", "--require-hashes", "-r", lock], f"could not install {shown}")


def _quietly(command: list, failure: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        last = "\n".join("  " + line for line in done.stdout.strip().splitlines()[-8:])
        raise Missing(
            f"Setting up failed: {failure}.\n{last}\n"
            "Is the package index within reach? Then run the same command again."
        )


def _point(link: Path, target: str) -> None:
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)


def _remove_older(name: str, keep: set) -> None:
    """Half-made and outdated ones; the previous one stays for processes that still run from it."""
    for folder in STATE.glob(f"{name}-" + "[0-9a-f]" * 12):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
