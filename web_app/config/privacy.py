"""What this process keeps from the other users of its host: its files, and what its memory held."""

import os
import resource
import stat


def keep_to_ourselves() -> None:
    """From here on no file that this process makes is for others, and no crash leaves a copy of its memory.

    Where core_pattern is a pipe the kernel does not ask this limit, and the program behind it decides (core(5)). PR_SET_DUMPABLE
    would settle that, but hides /proc/PID too, which operators and health checks look at.
    """
    os.umask(os.umask(0o077) | stat.S_IRWXO)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_open_to_others(path: str | os.PathLike) -> bool:
    """Whether users outside its group may do anything with it. What is not there is open to nobody."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IRWXO)
    except OSError:
        return False
