"""Holds what senders were told against what is in the store. Reads files and runs the commands of operators; believes nobody."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.processes import StartFailed
from tests.faults.rounds.senders import Sender

_MANIFEST = ".manifest.json"
COMMANDS = (
    ("services_app", "verify_ledger"),
    ("services_app", "verify_store", "--rate", "0"),
    ("services_app", "reconcile_store"),
    ("web_app", "verify_receipts"),
)


def of_senders(nas: Path, senders: Iterable[Sender]) -> list[str]:
    """After a round: each is at its end, was told nothing untrue, and its receipt is about the bytes that stand in the store."""
    found = []
    for sender in senders:
        found += [f"{sender.sending.protocol}, {sender.sending.size} bytes: {complaint}" for complaint in sender.complaints]
        if sender.told is None:
            found.append(f"{sender.sending.protocol}, {sender.sending.size} bytes: no receipt in the end")
        else:
            found += _of_receipt(nas, sender)
    return found


def _of_receipt(nas: Path, sender: Sender) -> list[str]:
    told, sending = sender.told, sender.sending
    if (told.size, told.sha256) != (sending.size, hashlib.sha256(sending.content).hexdigest()):
        return [f"upload {told.upload_id}: a receipt for other bytes than were sent"]
    files = [file for file in nas.glob(f"collections/*/*/*/{told.upload_id}/*") if not file.name.endswith(_MANIFEST)]
    if len(files) != 1:
        return [f"upload {told.upload_id}: a receipt, and {len(files)} files in the store"]
    if files[0].read_bytes() != sending.content:
        return [f"upload {told.upload_id}: a receipt, and other bytes in the store"]
    return []


def of_store(stack, receipts: Iterable[str]) -> list[str]:
    """At the end, with nobody sending: after `recover` nothing is left over, no object is there of which nobody (these upload ids) has
    a receipt, and every command that looks for faults finds none.
    """
    found = _said(stack, "services_app", "recover")
    found += [f"left in staging: {file.name}" for file in stack.staged()]
    known = set(receipts)
    for folder in stack.nas.glob("collections/*/*/*/*"):
        names = sorted(file.name for file in folder.iterdir())
        objects = [name for name in names if not name.endswith(_MANIFEST)]
        if folder.name not in known:
            found.append(f"upload {folder.name}: stored, and nobody was told")
        elif len(objects) != 1 or names != sorted([objects[0], objects[0] + _MANIFEST]):
            found.append(f"upload {folder.name}: {len(names)} files where one and its manifest should be")
    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        return found + [line for lines in pool.map(lambda command: _said(stack, *command), COMMANDS) for line in lines]


def _said(stack, app: str, *command: str) -> list[str]:
    try:
        stack.manage(app, *command)
    except StartFailed as exc:
        return [f"{command[0]}: {' / '.join(str(exc).split(chr(10))[-6:])}"]
    return []
