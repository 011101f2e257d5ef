import hashlib
import os
from pathlib import Path

import pytest

MIB = 1 << 20


@pytest.fixture(scope="session")
def big_file(tmp_path_factory) -> Path:
    """300 MiB of noise: a body that no socket buffer swallows."""
    path = tmp_path_factory.mktemp("bodies") / "noise.bin"
    block = os.urandom(4 * MIB)
    with path.open("wb") as file:
        for index in range(75):
            file.write(index.to_bytes(8, "big") + block[8:])
    return path


@pytest.fixture
def stored_ids(stack):
    """A function: the ids of all objects in the NAS folder."""
    return lambda: {folder.name for folder in stack.nas.glob("collections/*/*/*/*")}


@pytest.fixture
def staged(stack):
    """A function: the names of unfinished files."""
    return lambda: {entry.name for entry in stack.staged()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
