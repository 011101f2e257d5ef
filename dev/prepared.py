"""What a set-up makes of the code alone, a schema and static files: made once for this code, then copied into every new state folder.

It would else be most of the time that a stack takes to start, and the tests start dozens of them.
"""

import functools
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dev.paths import ROOT, STATE

_KEPT = STATE / "prepared"
_UNUSED_FOR = 24 * 3600  # seconds, after which what was made of other code is removed


def lay_out(app: str, into: Path, make: Callable[[Path], None]) -> None:
    """Copy into a state folder what `make` leaves in a new one. Raises whatever `make` raises."""
    kept = _KEPT / f"{app}-{_digest(app)}"
    if not kept.exists():
        _KEPT.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{app}-", dir=_KEPT))
        try:
            make(draft)
            draft.rename(kept)
        except OSError:
            if not kept.exists():  # else another run was quicker
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _remove_unused()
    kept.touch()
    shutil.copytree(kept, into, dirs_exist_ok=True)


@functools.cache
def _digest(app: str) -> str:
    """Of all that it is made of: the app's files, the packages, the Python."""
    files = [ROOT / "dev" / "requirements.txt", *sorted(file for file in (ROOT / app).rglob("*") if file.is_file())]
    seen = hashlib.sha256(sys.version.encode())
    for file in files:
        if file.suffix != ".pyc":
            content = file.read_bytes()
            seen.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return seen.hexdigest()[:16]


def _remove_unused() -> None:
    for folder in _KEPT.iterdir():
        if time.time() - folder.stat().st_mtime > _UNUSED_FOR:
            shutil.rmtree(folder, ignore_errors=True)
