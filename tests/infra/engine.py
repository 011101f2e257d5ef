"""docker, and two images made from Debian packages alone: the base of the Dockerfiles, and a host with systemd.

Nothing is pulled. What the machine needs in order to reach Debian's and Python's packages (authorities) is copied into the base.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from dev.paths import STATE
from tests.conftest import absent

BASE = "debian:trixie-slim"
HOST = "sluice-test-host:trixie"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,openssh-server,sudo,procps,iproute2,ca-certificates,e2fsprogs"
# Units that make no sense without hardware.
MASKED = (
    *("systemd-udevd.service", "systemd-logind.service", "systemd-modules-load.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "console-getty.service", "getty.target"),
)
SIZE = 342_884_352  # bytes: 327 MiB, the upload that began it all


def run(*command: str, seconds: float = 600, check: bool = True, **options) -> subprocess.CompletedProcess:
    """Output as text; what failed is shown whole."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
    return done


def need() -> None:
    """Skip (fail in CI) where there is no docker, or no right to make a base."""
    if os.geteuid() != 0:
        absent("Root is missing: debootstrap and docker need it.\n  sudo ./run infra")
    for program in ("docker", "docker-compose", "debootstrap"):
        if shutil.which(program) is None:
            absent(f"{program} is missing.\n  sudo apt install docker.io docker-compose debootstrap iptables")
    if run("docker", "info", check=False).returncode:
        absent("docker does not answer.\n  sudo systemctl start docker")


def images() -> None:
    """BASE and HOST, where they are not there already. A real debian:trixie-slim stays as it is."""
    if _there(BASE) and _there(HOST):
        return
    root = STATE / "infra" / f"root-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(root / "tree"), seconds=1200)
        _prepare(root / "tree")
        (root / "complete").touch()
    if not _there(BASE):
        _import(root / "tree", BASE)
    if not _there(HOST):
        _import(root / "tree", HOST, "CMD [\"/lib/systemd/systemd\"]", "ENV container=docker")


def _prepare(tree: Path) -> None:
    (tree / "etc/machine-id").write_text("")
    run("chroot", str(tree), "systemctl", "mask", *MASKED)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", tree / "etc/ssl/certs/ca-certificates.crt")
    for package in (tree / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def _there(image: str) -> bool:
    return run("docker", "image", "inspect", image, check=False).returncode == 0


def _import(tree: Path, name: str, *changes: str) -> None:
    options = [part for change in changes for part in ("--change", change)]
    tar = subprocess.Popen(["tar", "-C", tree, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE)
    run("docker", "import", *options, "-", name, stdin=tar.stdout)
    assert tar.wait() == 0


def big_file(folder: Path) -> tuple[Path, str]:
    """A file of SIZE bytes that nothing can compress, and its SHA-256."""
    path, digest = folder / "scan.bin", hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(SIZE // (1 << 20)):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return path, digest.hexdigest()
