"""Waiting for conditions, never for time."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], patience: float = 30.0):
    """The first true value of `condition`, asked twenty times a second. Fails after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {patience:.0f} s"
        time.sleep(0.05)
    return value
