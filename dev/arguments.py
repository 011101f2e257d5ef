"""What can be seen to be wrong with a command before anything is made or started. Standard library only.

Each function raises ArgumentTypeError, whose text is all that the person is told: one line, with the cure.
"""

import argparse
import errno
import fcntl
import os
import re
import stat
from argparse import ArgumentTypeError
from pathlib import Path

from dev import ports
from dev.paths import ROOT, STATE

TESTS = ROOT / "tests"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; `--help` is there for the rest."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}\n")


def port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ArgumentTypeError("a whole number from 1 on is needed")
    return int(text)


def origin(text: str) -> str:
    """It becomes a line of site.conf as it is."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?", text):
        raise ArgumentTypeError("an origin is https://name or https://name:port, and nothing behind it")
    return text


def check_demo(options) -> None:
    if options.once is not None:
        if options.port is not None or options.origin:
            raise ArgumentTypeError("--once sends one file on free ports and stops: --port and --origin do not go with it")
        check_file(options.once)
    elif options.json:
        raise ArgumentTypeError("--json is for the result of --once FILE")
    else:
        check_not_running(STATE / "demo")
        options.port = ports.DEMO if options.port is None else options.port
        try:
            ports.check(options.port)
        except PermissionError:
            raise ArgumentTypeError(f"port {options.port} is not for everybody; choose one from 1024 on with --port") from None
        except OSError as exc:
            said = "is in use" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
            raise ArgumentTypeError(f"port {options.port} {said}; choose another with --port") from None


def check_file(name: str) -> None:
    """A file that can be read from its beginning to an end that is known."""
    try:
        # A pipe without a writer would keep whoever opens it waiting.
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        raise ArgumentTypeError(f"{name or 'a file without a name'} cannot be read: {exc.strerror}") from None
    try:
        mode = os.fstat(handle).st_mode
    finally:
        os.close(handle)
    if stat.S_ISDIR(mode):
        raise ArgumentTypeError(f"{name} is a folder; pack it into one file first")
    if not stat.S_ISREG(mode):
        raise ArgumentTypeError(f"{name} is no plain file; write what it holds into one first")


def check_not_running(state: Path) -> None:
    """Whether a stack (dev/stack.py) holds that folder."""
    try:
        with (state / "in-use").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArgumentTypeError("it is running already; end that one with Ctrl-C first") from None
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise ArgumentTypeError(f"{state} cannot be used: {exc.strerror}") from None


def split_tests(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Arguments that name something under tests/, as they are called there, and all others."""
    paths, options = [], []
    for one in arguments:
        name, colons, rest = one.partition("::")
        whole = Path(os.path.normpath(ROOT / name))
        if one.startswith("-") or not (whole == TESTS or TESTS in whole.parents or name.endswith(".py")):
            options.append(one)
        elif not whole.exists() or TESTS not in (whole, *whole.parents):
            raise ArgumentTypeError(f"there is no {name} among the tests")
        else:
            paths.append(f"{whole.relative_to(ROOT)}{colons}{rest}")
    return paths, options


def check_test(options) -> None:
    split_tests(options.rest)


def check_bench(options) -> None:
    from tests.bench.options import parse

    parse(options.rest)
