"""Small file systems of one test's own, whose faults are real. Mounting needs root, as CI has it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import absent


@contextlib.contextmanager
def mounted(folder: Path, *options: str, kind: str = "tmpfs", source: str = "tmpfs") -> Iterator[Path]:
    """A file system at `folder` (mount(8) options) for the length of a `with` block."""
    if os.geteuid() != 0:
        absent("Real faults of a file system need root, to mount one.")
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", kind, *(("-o", ",".join(options)) if options else ()), source, str(folder))
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


@contextlib.contextmanager
def bound(folder: Path, to: Path) -> Iterator[None]:
    """`folder` shows what is at `to`: the same file system, and yet no link leads across (EXDEV)."""
    if os.geteuid() != 0:
        absent("Real faults of a file system need root, to mount one.")
    _run("mount", "--bind", str(to), str(folder))
    try:
        yield
    finally:
        _run("umount", "-l", str(folder))


def remount(folder: Path, *options: str) -> None:
    """Change a mounted file system's options, for example to `ro`."""
    _run("mount", "-o", ",".join(("remount", *options)), str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
