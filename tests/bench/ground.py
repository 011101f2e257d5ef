"""What every target stands on: child processes, one small nginx, the peers' environment."""

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import dev.nginx
from dev import bootstrap
from dev.paths import ROOT, STATE
from dev.ports import free_ports
from dev.processes import Service, wait_until

FOLDER = STATE / "bench"
CONFS = Path(__file__).resolve().parent / "nginx"
START_PATIENCE = 60.0  # seconds


class Unavailable(Exception):
    """This target cannot run here; the text says why."""


def free_port() -> int:
    return free_ports(1)[0]


@functools.cache
def nginx() -> Path:
    """The same one for every target."""
    try:
        return dev.nginx.find()
    except bootstrap.Missing as missing:
        raise Unavailable(str(missing)) from missing


@functools.cache
def nginx_features() -> str:
    """What `nginx -V` prints: version and modules."""
    return subprocess.run([nginx(), "-V"], capture_output=True, text=True, check=True).stderr


def peers_python() -> Path:
    """The Python of the peers' own environment, made on first use."""
    try:
        return bootstrap.ensure("bench-venv", ROOT / "dev" / "bench-requirements.txt")
    except bootstrap.Missing as missing:
        raise Unavailable(str(missing)) from missing


class Processes:
    """Children of one target; their output goes to `<folder>/<label>.log`."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._services: list[Service] = []

    def start(self, label: str, command: list, ready: int | Path, **environment: str) -> int:
        """Start and wait until `ready` (a port on loopback or a unix socket) accepts; the process's id."""
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        service = Service(label, [str(part) for part in command], env, self._folder / f"{label}.log")
        self._services.append(service)
        service.start()
        wait_until({service: lambda: _accepts(ready)}, START_PATIENCE)
        return service.pid

    def stop(self) -> None:
        """The last started ends first, so that no front end sees its upstream vanish."""
        while self._services:
            self._services.pop().stop()


def start_nginx(processes: Processes, label: str, prefix: Path, template: str, port: int, **values: object) -> int:
    """Run tests/bench/nginx/<template> with every @NAME@ replaced; its folders lie under `prefix`."""
    for name in ("conf", "logs", "temp"):
        (prefix / name).mkdir(parents=True, exist_ok=True)
    text = (CONFS / template).read_text()
    for name, value in {**values, "port": port}.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    conf = prefix / "conf" / "nginx.conf"
    conf.write_text(text)
    return processes.start(label, dev.nginx.command(nginx(), prefix), port)


def gunicorn(application: str, bind: str, *more: object) -> list:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        application,
        "--bind",
        bind,
        "--worker-class",
        "gthread",
        "--timeout",
        "0",
        *more,
    ]


def _accepts(ready: int | Path) -> bool:
    family, address = (
        (socket.AF_UNIX, str(ready)) if isinstance(ready, Path) else (socket.AF_INET, ("127.0.0.1", ready))
    )
    with socket.socket(family) as probe:
        probe.settimeout(1)
        probe.connect(address)
    return True
