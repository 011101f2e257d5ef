"""Giving what is staged its final name: that of its sender, or one that every store takes (ADR 0016, 0047)."""

import unicodedata

from . import exclusive, sentinel
from .errors import NameRefused, ObjectExists, ObjectUnknown, StoreUnavailable, from_os_error, translated
from .exclusive import Way
from .paths import FALLBACK_NAME
from .whole import identity


def give(way: Way, root_fd: int, staged: str, folder_fd: int, name: str) -> tuple[str, bool]:
    """Publish what is staged under this name, or under FALLBACK_NAME; return which, and whether that was done now. Raises as _publish."""
    with translated():
        before = identity(root_fd, staged)
        fallen_back = identity(folder_fd, FALLBACK_NAME)
        if fallen_back and fallen_back == before == standing(folder_fd, name):
            return name, False  # the store takes the two names for one
    if fallen_back and before is None:
        raise ObjectExists  # only its content tells whose it is
    for each in (FALLBACK_NAME,) if fallen_back and fallen_back == before else (name, name, FALLBACK_NAME):  # one refusal may pass
        try:
            return each, _publish(way, root_fd, staged, folder_fd, each)
        except NameRefused as exc:
            refused = exc
    raise StoreUnavailable(*refused.args) from refused  # which refuses every name refuses no name


def _publish(way: Way, root_fd: int, staged: str, folder_fd: int, name: str) -> bool:
    """Return whether that was done now. It was done before, when a crash came behind it, and it left its name in staging.

    Raises ObjectExists (also where its own folder could not be made anew, by Way.FOLDER), ObjectUnknown, NameRefused, StoreFull or
    StoreUnavailable.
    """
    if _has_name(root_fd, staged, folder_fd, name):
        return False
    try:
        exclusive.publish(way, staged, name, src_dir_fd=root_fd, dst_dir_fd=folder_fd)
    except (FileExistsError, FileNotFoundError) as exc:
        if _has_name(root_fd, staged, folder_fd, name):
            return False
        if way is Way.FOLDER and isinstance(exc, FileExistsError):
            raise ObjectExists from exc
        raise StoreUnavailable from exc  # a folder that vanished is ENOENT as well, and costs no staged bytes
    except OSError as exc:
        raise from_os_error(exc, naming=True) from exc
    return True


def _has_name(root_fd: int, staged: str, folder_fd: int, name: str) -> bool:
    """Whether the final name is that of the staged file. Raises ObjectExists, ObjectUnknown, NameRefused or StoreUnavailable."""
    with translated():
        before = identity(root_fd, staged)
    try:
        now = identity(folder_fd, name)
    except OSError as exc:
        raise from_os_error(exc, naming=True) from exc
    if before is None and now is None:
        raise ObjectUnknown
    if now not in (None, before):
        raise ObjectExists
    return now is not None


def standing(fd: int, path: str) -> tuple[int, int] | None:
    """What stands under a name that its sender chose; nothing where the store does not know such names. Raises OSError."""
    try:
        return identity(fd, path)
    except OSError as exc:
        if isinstance(from_os_error(exc, naming=True), NameRefused):
            return None
        raise


def as_given(root_fd: int, listed: str) -> str:
    """The name that was given to what is listed as this: ours are composed (paths.py), and a store that normalises may tell them
    decomposed. Raises StoreUnavailable.
    """
    composed = unicodedata.normalize("NFC", listed)
    return composed if composed != listed and sentinel.traits(root_fd).normalises else listed
