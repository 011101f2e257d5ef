"""Faults of the store: errors by strace, and real ones of a real file system."""

import contextlib
import ctypes
import errno
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.rounds.scene import Scene
from tests.waiting import wait_for

_ERRORS = ("EIO", "ESTALE", "EACCES", "EDQUOT", "ENOSPC")
_CALLS = (
    *("openat", "newfstatat,statx,fstat", "write", "fsync,fdatasync", "linkat", "mkdirat"),
    *("unlinkat,unlink", "renameat,rename,renameat2", "ftruncate", "fchmod"),
)
_FOREIGN = b"of somebody else"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # renameat2(2)
_libc = ctypes.CDLL(None, use_errno=True)


def _paths(scene: Scene) -> tuple[str, ...]:
    """The folders that calls name, and the files and folders of the uploads that have an id."""
    nas, month = scene.stack.nas, _month()
    base = f"{nas}/collections/{scene.stack.collection}"
    ids = [sender.upload_id for sender in scene.senders if sender.upload_id]
    folders = (nas, f"{nas}/staging", f"{nas}/collections", base, f"{base}/{month[:4]}", f"{base}/{month}")
    return tuple(map(str, (*folders, *(f"{nas}/staging/{one}" for one in ids), *(f"{base}/{month}/{one}" for one in ids))))


def _month() -> str:
    return datetime.now(UTC).strftime("%Y/%m")


def errors(scene: Scene) -> None:
    """One errno, of one kind of call: once, a few times, or for as long as it lasts."""
    scene.begin()
    scene.until_held()
    error, calls = scene.rng.choice(_ERRORS), scene.rng.choice(_CALLS)
    when = scene.rng.choice(("1", "2", "1..3", "1+"))  # of each thread
    pids = [scene.worker(), scene.stack.pids("control")[-1]]
    with scene.injected(f"{calls}:error={error}:when={when}", pids, _paths(scene)):
        _lasts(scene, 1.5)


def _lasts(scene: Scene, most: float) -> None:
    """Senders go on into the fault, which ends when they have or the time is over."""
    scene.go_on()
    until = time.monotonic() + scene.rng.uniform(0.2, most)
    while time.monotonic() < until and not scene.has_ended():
        time.sleep(0.02)


def full(scene: Scene) -> None:
    """Not a block is left, so the last write is a short one."""
    scene.begin()
    scene.until_held()
    ballast = scene.stack.nas / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            room = os.statvfs(scene.stack.nas)
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, (room.f_bavail - scene.rng.randint(8, 64)) * room.f_frsize))
            file.seek(0, os.SEEK_END)
            while scene.rng.random() < 0.999:
                file.write(bytes(4096))
        _lasts(scene, 1.5)
    finally:
        ballast.unlink()


def no_inodes(scene: Scene) -> None:
    scene.begin()
    scene.until_held()
    others = scene.stack.nas / "others"
    others.mkdir()
    first = others / "first"
    try:
        first.touch()
        with contextlib.suppress(OSError):
            for number in range(1 << 20):
                (others / str(number)).touch()
        _lasts(scene, 1.5)
    finally:
        _run("rm", "-rf", str(others))


def read_only(scene: Scene) -> None:
    """No file system lets that be done while somebody writes; so it is tried until nobody does."""
    scene.begin()
    scene.until_held()

    def is_done() -> bool:
        try:
            scene.ground.disk.remount("ro")
        except subprocess.CalledProcessError:
            return False
        return True

    wait_for(is_done, 10)
    try:
        _lasts(scene, 1.5)
    finally:
        scene.ground.disk.remount("rw")


def unmounted(scene: Scene) -> None:
    scene.begin()
    scene.until_held()
    scene.ground.disk.unmount()
    try:
        _lasts(scene, 1.5)
        written = [path.name for path in scene.stack.nas.rglob("*")]
    finally:
        scene.ground.disk.mount()
    if written:
        scene.findings.append(f"below the mountpoint of the store: {len(written)} files")


def stalls(scene: Scene) -> None:
    scene.begin()
    scene.until_held()
    scene.ground.disk.freeze()
    try:
        scene.go_on()
        scene.pause(scene.long_stall, scene.long_stall / 3)
    finally:
        scene.ground.disk.thaw()


def planted(scene: Scene) -> None:
    """Somebody else's file, or a link to one, stands where an object is to be or where its bytes are staged. It stays as it is."""
    scene.begin()
    scene.until_held()
    foreign = scene.stack.state / "foreign"
    foreign.write_bytes(_FOREIGN)
    undone = []
    for sender in scene.senders:
        if sender.upload_id and not sender.ended.is_set():
            undone.append(_plant(scene, sender.upload_id, foreign))
    try:
        _lasts(scene, 1.5)
    finally:
        for undo in undone:
            undo()
    if foreign.read_bytes() != _FOREIGN:
        scene.findings.append("a foreign file was written to, through a link")


def _plant(scene: Scene, upload_id: str, foreign: Path):
    where = scene.rng.choice(("file", "link", "staged"))
    if where == "staged":
        staged, aside = scene.stack.nas / "staging" / upload_id, scene.stack.nas / f".{upload_id}"
        aside.symlink_to(foreign)
        there = _exchanged(aside, staged)
        if not there:
            aside.rename(staged)

        def undo():
            if there:
                aside.rename(staged)
            elif staged.is_symlink():
                staged.unlink()

        return undo
    folder = scene.stack.nas / "collections" / scene.stack.collection / _month() / upload_id
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "upload"
    if where == "file":
        target.write_bytes(_FOREIGN)
    else:
        target.symlink_to(foreign)

    def undo():
        if where == "file" and (not target.is_file() or target.read_bytes() != _FOREIGN):
            scene.findings.append("a foreign file was overwritten")
        elif where == "link" and not target.is_symlink():
            scene.findings.append("a foreign link was replaced")
        target.unlink(missing_ok=True)

    return undo


def _exchanged(one: Path, other: Path) -> bool:
    """In one step: a staged file that is missing for a moment is gone, as the service sees it (410). False where `other` is not there."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() != errno.ENOENT:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return False


def power_lost(scene: Scene) -> None:
    """Of the host and the store at once; the databases lie on a disk that keeps its power."""
    scene.ground.disk.sync()
    scene.begin()
    scene.until_held()
    if scene.rng.random() < 0.5:
        scene.go_on()
        scene.pause(0.3)
    _lose_power(scene)
    scene.go_on()


def power_lost_without_fsync(scene: Scene) -> None:
    """The control: of the staged bytes nothing is made durable, and the service is told that it was."""
    scene.ground.disk.sync()
    scene.begin()
    scene.until_held()
    staged = tuple(f"{scene.stack.nas}/staging/{sender.upload_id}" for sender in scene.senders if sender.upload_id)
    with scene.injected("fsync,fdatasync:retval=0", [scene.worker()], staged):
        scene.go_on()
        wait_for(scene.has_ended, 60)
    _lose_power(scene)


def _lose_power(scene: Scene) -> None:
    for name in ("uploads", "control"):
        scene.stack.kill(name)
    scene.ground.disk.lose_power()
    for name in ("uploads", "control"):
        scene.stack.start_process(name, wait=False)
    scene.stack.wait_until_healthy("uploads", "control")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
