"""What this tier has signed about the ledger: checkpoints on the NAS, and the receipts in manifests and in the database's rows."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from services_app.receipts.issue import CHECKPOINT, TYPE
from services_app.receipts.read import NotSigned, StatementReader
from services_app.store import folders, kept, walk
from services_app.store.errors import NO_FILE, OF_ONE, translated
from services_app.store.nas import COLLECTIONS, LocalFileSystemStorage
from services_app.uploads.models import Upload
from services_app.uploads.states import State

HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"([0-9]{20}-[0-9a-f]{16}-[A-Za-z0-9_-]{8})\.jws", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statement:
    """`where` it was found: "checkpoint NAME", "manifest of ID", "row of ID". Without `seq` it is none of ours, or a changed one.

    `unread`: the store does not give it back. `verified`: by a key that is here now; else the key was retired, or is somebody's. `claims`
    of a receipt of that kind.
    """

    where: str
    seq: int | None = None
    head: str = ""
    verified: bool = False
    claims: dict | None = None
    unread: bool = False


def of_checkpoints(store: LocalFileSystemStorage, reader: StatementReader, *, newest_first: bool = False) -> Iterator[Statement]:
    """One that goes by another one's name is none. Raises StoreUnavailable."""
    for name, text in kept.documents(store, last_first=newest_first):
        named = _NAME.fullmatch(name)  # a name that we did not give is not printed
        where = f"checkpoint {named[1] if named else 'of-another-name'}"
        if text is None:
            yield Statement(where, unread=True)
            continue
        found = _statement(where, reader, text, CHECKPOINT)
        yield found if found.seq and name.startswith(name_of(found.seq, found.head)) else Statement(found.where)


def name_of(seq: int, head: str) -> str:
    """How a checkpoint's name begins, so that the newest is the last."""
    return f"{seq:020d}-{head[:16]}-"


def of_manifests(store: LocalFileSystemStorage, reader: StatementReader) -> Iterator[Statement]:
    """Raises StoreUnavailable."""
    for folder in walk.object_folders(store):
        if folder.manifest is not None:
            said, where = manifest(store, folder, folder.manifest), f"manifest of {folder.upload_id}"
            yield Statement(where, unread=True) if said is None else _statement(where, reader, said.get("receipt"), TYPE)


def of_rows(reader: StatementReader) -> Iterator[Statement]:
    rows = Upload.objects.filter(state__in=(State.COMMITTED, State.DELETED)).order_by("id").values_list("id", "receipt")
    for upload_id, receipt in rows.iterator():
        yield _statement(f"row of {upload_id}", reader, receipt, TYPE)


def manifest(store: LocalFileSystemStorage, folder: walk.ObjectFolder, name: str) -> dict | None:
    """What stands in a manifest of this name; nothing where it cannot be understood, None where it cannot be read. Raises
    StoreUnavailable.
    """
    with store.mounted() as root_fd, translated():
        try:
            with folders.opened(root_fd, "/".join((COLLECTIONS, *folder.directory))) as folder_fd:
                text = kept.text_of(folder_fd, name)
                found = None if text is None else json.loads(text)
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        except OSError as exc:
            if exc.errno not in OF_ONE:
                raise
            return {} if exc.errno in NO_FILE else None
        return found if text is None or isinstance(found, dict) else {}


def _statement(where: str, reader: StatementReader, text: object, as_type: str) -> Statement:
    try:
        signed = reader.read(text, as_type)
    except NotSigned:
        return Statement(where)
    seq, head = signed.claims.get("ledger_seq"), signed.claims.get("ledger_head")
    if type(seq) is not int or not 0 < seq < 1 << 63 or not isinstance(head, str) or not HASH.fullmatch(head):
        return Statement(where)
    return Statement(where, seq, head, signed.verified, signed.claims if as_type == TYPE and not signed.verified else None)
