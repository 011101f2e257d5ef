"""Where the ledger stands, signed and put onto the NAS from time to time: what is cut off behind it, or rewritten, contradicts."""

from services_app.ledger.models import Entry
from services_app.receipts.issue import CHECKPOINT
from services_app.store import kept
from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads.receipts import issuer, reader

from . import continuations, statements


class Contradicted(Exception):
    """The newest checkpoint names an entry that the ledger has not got: nothing more is signed until somebody has looked."""


def write(store: LocalFileSystemStorage) -> int | None:
    """Keep one of the ledger's head, if there is an entry; return its number. Again at the same head, nothing happens.

    Raises Contradicted, StoreFull or StoreUnavailable.
    """
    _check_the_newest(store)
    head = Entry.objects.order_by("-seq").first()
    if head is None:
        return None
    signed = of_entry(head, store)
    # The key is in the name: a new one vouches for what an older one signed, also where nothing came in between.
    kept.put(store, f"{statements.name_of(head.seq, head.hash)}{issuer().kid[:8]}.jws", signed.encode())
    return head.seq


def _check_the_newest(store: LocalFileSystemStorage) -> None:
    """Of this branch: those that a continuation knows are passed over."""
    keys, gone = reader(), None
    for one in statements.of_checkpoints(store, keys, newest_first=True):
        if not one.verified:
            continue
        if Entry.objects.filter(seq=one.seq, hash=one.head).exists():
            return
        gone = continuations.known_to_be_gone(keys) if gone is None else gone
        if (one.seq, one.head) not in gone:
            raise Contradicted


def of_entry(head: Entry, store: LocalFileSystemStorage) -> str:
    """Signed: this is the ledger's newest entry now."""
    return issuer().issue({"store": str(store.store_id), "ledger_seq": head.seq, "ledger_head": head.hash}, CHECKPOINT)

