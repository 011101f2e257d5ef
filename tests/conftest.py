"""What every test may ask for. `stack` is one real Sluice for the whole run: nginx, both apps, TLS, a NAS folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

STATE = Path(__file__).resolve().parent.parent / ".state"
JS = STATE.parent / "tests" / "clients" / "js"


@pytest.fixture(scope="session")
def stack(request):
    """A running `dev.stack.Stack`. Tests that stop, starve or reconfigure a process make one of their own."""
    from dev.bootstrap import Missing
    from dev.stack import Stack

    state = STATE / "test" / f"stack-{time.strftime('%H%M%S')}-{os.getpid()}"
    state.mkdir(parents=True)
    try:
        made = Stack(state)
    except Missing as missing:
        absent(str(missing))
    with made:
        yield made
    # After a failure the logs are worth a look; the stored files are only large.
    shutil.rmtree(state / "nas" if request.session.testsfailed else state, ignore_errors=True)


@pytest.fixture
def api(stack):
    """A `dev.client.Client` with the demo user's API key: new_grant(), put(), hand_in(), call()."""
    from dev.client import Client

    return Client(stack.edge_port, stack.keys.edge_ca, stack.api_key)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's binary, for playwright's `executable_path`."""
    found = shutil.which("chromium")
    if found is None:
        absent("Chromium is missing.\n  sudo apt install chromium")
    return Path(found)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """tus-js-client and jose as package-lock.json pins them, installed into .state."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        absent("node or npm is missing.\n  sudo apt install nodejs npm")
    lock = (JS / "package-lock.json").read_bytes()
    folder = STATE / "test" / f"clients-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as other_runs:
        fcntl.flock(other_runs, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(JS / name, folder)
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                absent(
                    f"npm could not install the clients:\n{done.stderr[-1000:]}\nIs the package registry within reach?"
                )
            (folder / "complete").touch()
    return folder / "node_modules"


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """A folder for pictures of pages, kept after the run."""
    folder = STATE / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def absent(what: str) -> None:
    """In CI a test that cannot run has failed; elsewhere it is skipped and says what cures that."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
