"""Does the services tier's ledger still hold every receipt that it gave out, and every checkpoint that it told?

Each of them names an entry and its hash, which covers all entries before it: one that the ledger has not got any more, or that
differs, shows that it was cut, rewritten, or went on from an older database.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from web_app.grants.keys import receipt_verifier
from web_app.grants.models import StoredUpload
from web_app.proof.models import Checkpoint
from web_app.receipts.verify import Receipt, ReceiptError
from web_app.storage.errors import StorageAnswerBad
from web_app.storage.internal_api import InternalApi

AT_ONCE = 100  # numbers in one question, as many as the services tier takes
_GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Contradiction:
    """`what`: forged (nothing that the services tier signed), row (it is not what the row says), beyond or other (of the ledger).

    `of`: "upload ID" or "checkpoint NUMBER".
    """

    what: str
    of: str
    said: str


class Held:
    """Counts what it compared: `receipts`, `checkpoints`, and `known`, those of a branch that a restore ended."""

    def __init__(self, api: InternalApi):
        self.receipts = self.checkpoints = self.known = 0
        self._api, self._gone = api, _known_to_be_gone(api)

    def contradictions(self) -> Iterator[Contradiction]:
        """Raises a StorageError."""
        for batch in _batches(StoredUpload, "upload_id"):
            self.receipts += len(batch)
            entries = {}
            for row in batch:
                try:
                    receipt = receipt_verifier().verify(row.receipt)
                except ReceiptError as exc:
                    yield Contradiction("forged", f"upload {row.upload_id}", f"its receipt is none ({exc.code})")
                    continue
                entries[f"upload {row.upload_id}"] = (receipt.ledger_seq, receipt.ledger_head)
                if not _agree(row, receipt):
                    yield Contradiction("row", f"upload {row.upload_id}", "its row says something else than its receipt")
            yield from self._against_the_ledger(entries)
        for batch in _batches(Checkpoint, "id"):
            self.checkpoints += len(batch)
            yield from self._against_the_ledger({f"checkpoint {row.seq}": (row.seq, row.head) for row in batch})

    def keep_checkpoint(self) -> None:
        """For the next time: of what no receipt names. Once nothing contradicts. Raises a StorageError."""
        answer = self._api.ask("GET", "ledger/checkpoint")
        try:
            if (text := answer["checkpoint"]) is None:
                return
            seq, head = receipt_verifier().checkpoint(text)
        except (KeyError, AttributeError, ReceiptError) as exc:
            raise StorageAnswerBad from exc
        Checkpoint.objects.get_or_create(seq=seq, head=head, defaults={"signed": text})

    def _against_the_ledger(self, named: dict[str, tuple[int, str]]) -> Iterator[Contradiction]:
        end, hashes = _entries(self._api, sorted({seq for seq, _ in named.values()}))
        for of, (seq, head) in named.items():
            if hashes.get(seq) == head:
                continue
            if (seq, head) in self._gone:
                self.known += 1
            elif seq > end:
                yield Contradiction("beyond", of, f"it names entry {seq}:{head}, and the ledger ends at {end}")
            else:
                yield Contradiction("other", of, f"it names entry {seq}:{head}, and the ledger has another one there")


def _batches(model, key: str) -> Iterator[list]:
    """No cursor stays open while the other tier is asked."""
    rows = model.objects.order_by(key)
    batch = list(rows[:AT_ONCE])
    while batch:
        yield batch
        batch = list(rows.filter(**{f"{key}__gt": getattr(batch[-1], key)})[:AT_ONCE])


def _agree(row: StoredUpload, receipt: Receipt) -> bool:
    said = (receipt.upload_id, receipt.grant, receipt.size, receipt.sha256, receipt.media_type, receipt.durable_at)
    return said == (str(row.upload_id), str(row.grant_id), row.size, row.sha256, row.media_type, row.durable_at)


def _entries(api: InternalApi, seqs: list[int]) -> tuple[int, dict[int, str]]:
    """The number of the ledger's last entry, and the hashes of those of `seqs` that it has. Raises a StorageError."""
    answer = api.ask("GET", "ledger", {"seq": [str(seq) for seq in seqs]})
    try:
        end = answer["head"]["seq"] if answer["head"] else 0
        return int(end), {int(seq): str(digest) for seq, digest in answer["entries"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StorageAnswerBad from exc


def _known_to_be_gone(api: InternalApi) -> frozenset[tuple[int, str]]:
    """What continuations know that the receipt key signed for their place in this chain. Raises a StorageError."""
    gone, after = set(), 0
    while after is not None:
        answer = api.ask("GET", "ledger/continuations", {"after": str(after)})
        try:
            texts, following = [str(one["signed"]) for one in answer["continuations"]], answer["next"]
        except (KeyError, TypeError) as exc:
            raise StorageAnswerBad from exc
        for text in texts:
            gone |= _known_by(api, text)
        if following is not None and not (type(following) is int and following > after):
            raise StorageAnswerBad
        after = following
    return frozenset(gone)


def _known_by(api: InternalApi, text: str) -> frozenset[tuple[int, str]]:
    try:
        said = receipt_verifier().continuation(text)
    except ReceiptError:
        return frozenset()
    seq, head = said.after
    is_here = _entries(api, [seq])[1].get(seq) == head if seq else head == _GENESIS
    return said.known if is_here else frozenset()
