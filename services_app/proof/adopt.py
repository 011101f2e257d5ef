"""A stored file that the database has lost, known again: from its manifest, whose receipt this tier signed, and its bytes.

    unreadable   its folder cannot be opened, or the store fails at it
    unsigned     it has no manifest with a receipt that a known key signed
    misplaced    its receipt is for another place
    misnamed     its name is none that this tier gives: no text, or one that nobody can read as it is
    changed      its bytes are not those of its receipt
    deleted      the database says that it was removed on purpose
    under_way    a request holds an upload of this id
"""

import os
import unicodedata
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from services_app.config import turns
from services_app.ledger import record
from services_app.receipts.issue import TYPE
from services_app.receipts.read import NotSigned, StatementReader
from services_app.store import walk
from services_app.store.errors import OF_ONE, translated
from services_app.store.nas import COLLECTIONS, MANIFEST_SUFFIX, LocalFileSystemStorage
from services_app.store.paths import object_directory, safe_name
from services_app.uploads import quotas, verdicts
from services_app.uploads.models import Grant, Protocol, Unpacking, Upload
from services_app.uploads.ownership import leases
from services_app.uploads.states import RUNNING, Standing, State

from . import gently, statements


class Refused(Exception):
    """Its text is one of the codes above."""


def adopt(
    store: LocalFileSystemStorage, folder: walk.ObjectFolder, reader: StatementReader, pace: gently.Pace, *, dry_run: bool = False
) -> None:
    """Enter the file of one folder as committed, in a transaction, with an entry in the ledger. Its token is spent by that.

    Raises Refused, StoreUnavailable.
    """
    if folder.is_closed:
        raise Refused("unreadable")
    claims, name, receipt, unpacks = _signed(store, folder, reader)
    if (claims["upload_id"], object_directory(claims["collection"], folder.upload_id, _moment(claims, "received_at"))) != (
        folder.upload_id,
        folder.directory,
    ):
        raise Refused("misplaced")
    if safe_name(name) != unicodedata.normalize("NFC", name):  # some stores take names apart
        raise Refused("misnamed")
    before = Upload.objects.filter(id=folder.upload_id).first()
    if before is not None and before.state in (State.DELETED, State.COMMITTED, *RUNNING):
        raise Refused("deleted" if before.state == State.DELETED else "under_way")
    if _sha256(store, folder, name, claims["size"], pace) != claims["sha256"]:
        raise Refused("changed")
    if not dry_run:
        _enter(claims, name, receipt, unpacks, _verdict(store, folder, claims, name, reader))


def _signed(store: LocalFileSystemStorage, folder: walk.ObjectFolder, reader: StatementReader) -> tuple[dict, str, str, bool]:
    """The claims of the receipt in its manifest, the name of the file beside that, the receipt, and whether it says that it unpacks."""
    if folder.manifest is None:
        raise Refused("unsigned")
    said = statements.manifest(store, folder, folder.manifest)
    if said is None:
        raise Refused("unreadable")
    receipt = said.get("receipt")
    try:
        signed = reader.read(receipt, TYPE)
    except NotSigned as exc:
        raise Refused("unsigned") from exc
    if not signed.verified:
        raise Refused("unsigned")
    return signed.claims, folder.manifest.removesuffix(MANIFEST_SUFFIX), receipt, said.get("unpacks") is True


def _verdict(store: LocalFileSystemStorage, folder: walk.ObjectFolder, claims: dict, name: str, reader: StatementReader) -> dict | None:
    """What was found of it, as a key signed that is known."""
    found = verdicts.on_the_store(store, "/".join((*folder.directory, name)), reader)
    return found if found is not None and verdicts.is_of(found, claims["upload_id"], claims["sha256"]) else None


def _sha256(store: LocalFileSystemStorage, folder: walk.ObjectFolder, name: str, size: int, pace: gently.Pace) -> str | None:
    """None where it is not as long. Raises Refused where it cannot be read."""
    found = folder.files.get(name)
    if found is None or not walk.is_file(found) or found.st_size != size:
        return None
    with store.mounted() as root_fd, translated():
        path = "/".join((COLLECTIONS, *folder.directory, name))
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root_fd)
        except OSError as exc:
            if exc.errno not in OF_ONE:
                raise
            raise Refused("unreadable") from exc
    try:
        return gently.sha256(fd, pace)
    except OSError as exc:
        raise Refused("unreadable") from exc
    finally:
        os.close(fd)


def _enter(claims: dict, name: str, receipt: str, unpacks: bool, verdict: dict | None) -> None:
    upload_id, grant_id = uuid.UUID(claims["upload_id"]), uuid.UUID(claims["grant"])
    received_at, durable_at = _moment(claims, "received_at"), _moment(claims, "durable_at")
    with transaction.atomic():
        turns.take(turns.Turn.GRANT, grant_id)
        grant, _ = Grant.objects.get_or_create(
            id=grant_id,
            defaults={
                "sub": claims["sub"],
                "collection": claims["collection"],
                "first_used_at": received_at,
                # When its token ended is not told; never later than this.
                "expires_at": durable_at + timedelta(seconds=settings.TOKEN_MAX_LIFE),
            },
        )
        # As an upload that began before the backup and ended after it stands there.
        if Upload.objects.filter(id=upload_id, state__in=(State.COMMITTED, *RUNNING)).exists():
            raise Refused("under_way")
        adopted, _ = Upload.objects.update_or_create(
            id=upload_id,
            defaults={
                "grant": grant,
                "slot": _free_slot(grant, upload_id),
                "protocol": Protocol.WHOLE,
                "state": State.COMMITTED,
                "expires_at": durable_at,
                "offset": claims["size"],
                "length": claims["size"],
                "size": claims["size"],
                "sha256": claims["sha256"],
                "media_type": claims["media_type"],
                "received_at": received_at,
                "durable_at": durable_at,
                "safe_name": name,
                "receipt": receipt,
                "verdict": "",
                "problem": "",
                **leases.let_go(),
            },
        )
        quotas.note_stored(adopted)
        if unpacks and adopted.media_type == Unpacking.MEDIA_TYPE:  # files that are there are compared with it, and then believed
            Unpacking.objects.update_or_create(upload=adopted, defaults={"done_at": None, "fault": "", "owner": "", **leases.let_go()})
        facts = {name: claims[name] for name in ("size", "sha256", "collection", "ledger_seq", "ledger_head")}
        record.append(record.ADOPTED, upload_id=upload_id, grant_id=grant_id, at=leases.now(), facts=facts)
        if verdict is not None:
            verdicts.note(adopted, Standing(verdict["verdict"]), by=verdict["by"])


def _free_slot(grant: Grant, upload_id: uuid.UUID) -> int:
    taken = set(grant.uploads.exclude(id=upload_id).exclude(slot=None).values_list("slot", flat=True))
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)


def _moment(claims: dict, name: str) -> datetime:
    return datetime.fromisoformat(claims[name])
