import os
import subprocess
from pathlib import Path

import pytest

from dev import bootstrap
from dev.paths import ROOT
from tests.conftest import absent

MAKER = Path(__file__).with_name("make_samples.py")


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> dict[str, bytes]:
    """File name → the whole file, freshly made by other people's libraries."""
    try:
        python = bootstrap.ensure("samples-venv", ROOT / "dev" / "samples-requirements.txt")
    except bootstrap.Missing as missing:
        absent(str(missing))
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([os.fspath(python), MAKER, folder], check=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}
