"""`./run wheelhouse`: the locked packages of both tiers in one file, for hosts that reach no package index.

For Debian 13: its Python, on the processor of this machine. The locks' hashes are checked again where they are installed.
"""

import platform
import subprocess
import sys
import tarfile

from dev.paths import ROOT, STATE

PYTHON = "3.13"
# glibc 2.41 runs what was built for any older one.
GLIBC = ("2_17", "2_28", "2_34")
WHEELHOUSE = STATE / "wheelhouse"
PACKED = STATE / "wheelhouse.tar"


def main() -> int:
    tags = [part for version in GLIBC for part in ("--platform", f"manylinux_{version}_{platform.machine()}")]
    tags += ["--platform", f"manylinux2014_{platform.machine()}"]
    WHEELHOUSE.mkdir(parents=True, exist_ok=True)
    for app in ("web_app", "services_app"):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps", "--require-hashes"]
        command += ["--python-version", PYTHON, "--implementation", "cp", *tags, "--dest", str(WHEELHOUSE)]
        done = subprocess.run([*command, "--requirement", str(ROOT / app / "requirements.txt")], check=False)
        if done.returncode:
            return done.returncode
    packages = sorted(WHEELHOUSE.glob("*.whl"))
    with tarfile.open(PACKED, "w") as packed:
        for package in packages:
            packed.add(package, f"wheelhouse/{package.name}")
    print(f"{len(packages)} packages in {PACKED.relative_to(ROOT)}")
    return 0
