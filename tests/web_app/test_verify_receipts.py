"""Every receipt is held against the services tier's ledger: what was cut off or rewritten there contradicts one of them."""

import json
import uuid
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.web_app.signing import signed
from web_app.audit.record import COMMAND
from web_app.grants import actions
from web_app.grants.models import Grant, StoredUpload
from web_app.proof import held
from web_app.proof.management.commands import verify_receipts as command
from web_app.proof.models import Checkpoint
from web_app.storage.errors import StorageAnswerBad, StorageUnreachable

pytestmark = pytest.mark.django_db
OTHER = "ef" * 32


def head_of(seq: int) -> str:
    return f"{seq:064x}"


class Ledger:
    """Stands in for the services tier: its entries' hashes by number, and where somebody went on after a restore."""

    def __init__(self, count: int, *continuations: tuple[int, str]):
        self.hashes = {seq: head_of(seq) for seq in range(1, count + 1)}
        self.continuations = [{"seq": seq, "signed": text} for seq, text in continuations]

    def ask(self, method, path, query=None):
        if path == "ledger/checkpoint":
            end = max(self.hashes, default=0)
            return {"checkpoint": checkpoint(end, self.hashes[end]) if end else None}
        if path == "ledger/continuations":
            after = int(query["after"])
            page = [one for one in self.continuations if one["seq"] > after][:1]
            more = any(one["seq"] > page[-1]["seq"] for one in self.continuations) if page else False
            return {"continuations": page, "next": page[-1]["seq"] if more else None}
        assert (method, path) == ("GET", "ledger") and len(query["seq"]) <= 100
        end = max(self.hashes, default=0)
        known = {seq: self.hashes[int(seq)] for seq in query["seq"] if int(seq) in self.hashes}
        return {"head": {"seq": end, "hash": self.hashes[end]} if end else None, "entries": known}


def checkpoint(seq: int, head: str, **header) -> str:
    claims = {"iss": settings.RECEIPT_ISSUER, "iat": 1, "store": str(uuid.UUID(int=1)), "ledger_seq": seq, "ledger_head": head}
    return signed(claims, {"typ": "ledger-checkpoint+jwt", **header})


def continuation(settings, after: int, *known, **header) -> str:
    claims = {"iss": settings.RECEIPT_ISSUER, "iat": 1, "after_seq": after, "after_head": head_of(after), "known": known}
    return signed(claims, {"typ": "ledger-continuation+jwt", **header})


@pytest.fixture
def receipts(grant, receipt_for):
    """Receipts of entries 1 to 3; their uploads' ids."""
    Grant.objects.update(max_uploads=3)
    ids = [f"019ab0c0-0000-7000-8000-00000000000{seq}" for seq in (1, 2, 3)]
    for seq, upload_id in enumerate(ids, 1):
        actions.complete(
            receipt_for(grant, upload_id=upload_id, ledger_seq=seq, ledger_head=head_of(seq)), uploader=grant.uploader, who=COMMAND
        )
    return ids


@pytest.fixture
def told(monkeypatch):
    """A function: what the command says of this ledger, with its exit status."""

    def run(ledger) -> dict:
        monkeypatch.setattr(command, "internal_api", lambda: ledger)
        out, status = StringIO(), 0
        try:
            call_command("verify_receipts", "--json", stdout=out)
        except CommandError as exc:
            status = exc.returncode
        return json.loads(out.getvalue() or "{}") | {"status": status}

    return run


def test_receipts_that_the_ledger_holds_are_counted(receipts, told):
    said = told(Ledger(5))
    assert said == {"receipts": 3, "checkpoints": 0, "of_a_branch_that_is_gone": 0, "findings": [], "status": 0}


def test_a_tail_that_no_receipt_names_is_missed_by_the_checkpoint_that_was_kept(receipts, told):
    for _ in range(2):
        told(Ledger(5))
    assert [(one.seq, one.head) for one in Checkpoint.objects.all()] == [(5, head_of(5))]
    said = told(Ledger(4))
    assert [(one["what"], one["of"]) for one in said["findings"]] == [("beyond", "checkpoint 5")]
    assert (said["checkpoints"], Checkpoint.objects.count()) == (1, 1), "of a ledger that contradicts nothing is kept"


@pytest.mark.parametrize("text", ["x.y.z", 7, {}, lambda: checkpoint(5, head_of(5), typ="upload-receipt+jwt")])
def test_a_checkpoint_that_is_not_signed_is_not_kept(receipts, told, text):
    class Odd(Ledger):
        def ask(self, method, path, query=None):
            if path == "ledger/checkpoint":
                return {"checkpoint": text() if callable(text) else text}
            return super().ask(method, path, query)

    assert told(Odd(5))["status"] == 1 and not Checkpoint.objects.exists()


def test_before_the_first_entry_there_is_nothing_to_keep(told):
    assert told(Ledger(0))["status"] == 0 and not Checkpoint.objects.exists()


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({3: None}, [("beyond", 3)]),
        ({1: None, 2: None, 3: None}, [("beyond", 1), ("beyond", 2), ("beyond", 3)]),
        ({2: OTHER}, [("other", 2)]),
        ({2: None}, [("other", 2)]),
    ],
)
def test_each_receipt_whose_entry_is_gone_or_another_one_is_named(receipts, told, changed, found):
    ledger = Ledger(3)
    for seq, digest in changed.items():
        ledger.hashes.pop(seq) if digest is None else ledger.hashes.update({seq: digest})
    said = told(ledger)
    assert said["status"] == 2
    assert [(one["what"], one["of"]) for one in said["findings"]] == [(what, f"upload {receipts[seq - 1]}") for what, seq in found]


def test_a_row_or_receipt_that_was_changed_here_is_named(receipts, told):
    StoredUpload.objects.filter(upload_id=receipts[0]).update(sha256="00" * 32)
    StoredUpload.objects.filter(upload_id=receipts[1]).update(receipt="x.y.z")
    found = {one["of"]: one["what"] for one in told(Ledger(3))["findings"]}
    assert found == {f"upload {receipts[0]}": "row", f"upload {receipts[1]}": "forged"}


def test_what_a_continuation_knows_is_no_contradiction_and_is_counted(receipts, told, settings):
    gone = (continuation(settings, 1, [2, head_of(2)]), continuation(settings, 4, [3, head_of(3)]))
    ledger = Ledger(6, *zip((2, 5), gone, strict=True))
    ledger.hashes |= {2: OTHER, 3: OTHER}
    said = told(ledger)
    assert (said["of_a_branch_that_is_gone"], said["status"]) == (2, 0)


@pytest.mark.parametrize(
    "text",
    [
        lambda settings: continuation(settings, 9, [3, head_of(3)]),  # for another place
        lambda settings: continuation(settings, 1, [3, OTHER]),  # of another statement
        lambda settings: continuation(settings, 1, [3, head_of(3)], typ="upload-receipt+jwt"),
        lambda settings: continuation(settings, 1, [3, head_of(3)], kid="A" * 43),
        lambda settings: continuation(settings, 1, ["3", head_of(3)]),
        lambda settings: "x.y.z",
    ],
)
def test_only_a_signed_continuation_in_its_place_excuses_anything(receipts, told, settings, text):
    said = told(Ledger(2, (2, text(settings))))
    assert [one["what"] for one in said["findings"]] == ["beyond"]


@pytest.mark.parametrize("fault", [StorageUnreachable(), StorageAnswerBad()])
def test_no_answer_is_not_taken_for_agreement(receipts, told, fault):
    class Away:
        def ask(self, *_):
            raise fault

    assert told(Away())["status"] == 1


def test_many_receipts_are_asked_about_in_pages(grant, receipt_for, monkeypatch):
    monkeypatch.setattr(held, "AT_ONCE", 2)
    text = receipt_for(grant, ledger_seq=1, ledger_head=head_of(1))
    for number in range(5):
        row = {"size": 1, "sha256": "", "media_type": "", "durable_at": "2026-11-23T08:01:00Z", "receipt": text}
        StoredUpload.objects.create(upload_id=uuid.UUID(int=number + 1), grant=grant, **row)
    checking = held.Held(Ledger(1))
    assert {one.what for one in checking.contradictions()} == {"row"} and checking.receipts == 5
