"""What this process keeps from the other users of its host: its files, and what its memory held."""

import ctypes
import os
import resource
import stat

_M_PERTURB, _PATTERN = -6, 0xA5  # malloc.h


def keep_to_ourselves() -> None:
    """From here on no file that this process makes is for others, and no crash leaves a copy of its memory.

    Where core_pattern is a pipe the kernel does not ask this limit, and the program behind it decides (core(5)). PR_SET_DUMPABLE
    would settle that, but hides /proc/PID too, by which processes of this tier find out whether another one lives.
    """
    os.umask(os.umask(0o077) | stat.S_IRWXO)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_open_to_others(path: str | os.PathLike) -> bool:
    """Whether users outside its group may do anything with it. What is not there is open to nobody."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IRWXO)
    except OSError:
        return False


def wipe_what_is_freed() -> None:
    """Let the C library overwrite memory when it is given back: pieces of bodies that TLS, gunicorn and Python had copied.

    glibc alone knows this, and not for blocks of a kilobyte and less, nor for Python's own small objects.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_PERTURB, _PATTERN)
