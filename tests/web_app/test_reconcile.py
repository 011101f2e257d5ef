"""Grants whose receipt never came are settled by asking the services tier."""

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import OperationalError
from django.utils import timezone

from tests.web_app.signing import UPLOAD_ID
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.grants import actions
from web_app.grants import reconcile as rules
from web_app.grants.management.commands import reconcile as command
from web_app.grants.models import Grant
from web_app.grants.reconcile import reconcile
from web_app.grants.states import TRANSITIONS, State
from web_app.storage.errors import (
    ObjectUnknown,
    StorageAnswerBad,
    StorageError,
    StorageFailing,
    StorageRefused,
    StorageUnreachable,
)

pytestmark = pytest.mark.django_db


class Services:
    """Stands in for the internal API: what it knows of each grant, or what it raises. `beginning`: uploads that a batch shows."""

    def __init__(self, **known):
        self.known, self.asked, self.beginning = known, [], 5

    def ask(self, method, path, query=None):
        if path == "revocations":
            return None
        assert method == "GET"
        self.asked.append(path)
        return self._batch(query["ids"].split(",")) if path == "grants" else self._one(path, (query or {}).get("after"))

    def _one(self, path, after=None):
        answer = self.known.get(path.removeprefix("grants/").replace("-", ""), ObjectUnknown())
        if isinstance(answer, Exception):
            raise answer
        if after is not None:
            behind = [each["upload_id"] for each in answer["uploads"]].index(after) + 1
            return {**answer, "uploads": answer["uploads"][behind:]}
        return answer

    def _batch(self, ids):
        """One that the services tier cannot tell about spoils it; one with whose answer only we are in trouble is left out."""
        assert 1 <= len(ids) <= 20
        told = {}
        for one in ids:
            try:
                answer = self._one(one)
            except ObjectUnknown:
                told[one] = None
            except StorageError:
                raise
            except Exception:  # noqa: BLE001  it is raised when this grant is asked about by itself
                continue
            else:
                shown = answer.get("uploads")
                if isinstance(shown, list) and len(shown) > self.beginning:
                    answer = {**answer, "uploads": shown[: self.beginning], "next": shown[self.beginning - 1]["upload_id"]}
                told[one] = answer
        return {"grants": told}


def knows(grant, *uploads):
    return Services(**{grant.id.hex: {"grant": str(grant.id), "state": "x", "uploads": list(uploads), "problem": None}})


def upload(state="committed", receipt=None):
    return {"upload_id": UPLOAD_ID, "state": state, "receipt": receipt}


def outcome(reconciled):
    counts, _ = reconciled
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def ended(grant):
    """The grant, past its end."""
    Grant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    grant.refresh_from_db()
    return grant


def refused(code, upload_code=None, state="aborted"):
    """An answer about a grant whose last request, and whose last upload, met these."""
    problem = {"code": upload_code} if upload_code else None
    uploads = [{**upload(state), "problem": problem}] if upload_code or state != "aborted" else []
    return {"grant": "x", "state": state, "uploads": uploads, "problem": {"code": code} if code else None}


@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (refused("type_refused"), "type_refused"),
        (refused(None, "type_refused"), "type_refused"),
        (refused("already_committed", "digest_differs"), "digest_differs"),
        (refused("store_unavailable"), ""),  # it passes
        (refused("token_expired"), ""),
        (refused("x" * 99), ""),
        (refused("type_refused", state="waiting"), ""),  # it can still be gone on with
        (ObjectUnknown(), ""),
    ],
)
def test_why_the_last_try_was_refused_is_noted_and_forgotten_when_it_is_no_more(grant, answer, noted):
    Grant.objects.update(refused="too_large")
    reconcile(Services(**{grant.id.hex: answer}))
    grant.refresh_from_db()
    assert (grant.refused, grant.state) == (noted, "issued")


def test_stored_upload_becomes_complete_with_its_receipt(grant, receipt_for):
    receipt = receipt_for(grant)
    services = knows(grant, upload("aborted"), upload(receipt=receipt))
    assert outcome(reconcile(services)) == {"asked": 1, "completed": 1}
    grant.refresh_from_db()
    stored = grant.stored.get()
    assert (grant.state, stored.receipt, str(stored.upload_id)) == ("complete", receipt, UPLOAD_ID)
    event = AuditEvent.objects.get(action="grant_completed")
    assert (event.actor, event.address, event.subject_id) == (None, None, str(grant.id))


def test_every_upload_of_a_grant_of_several_is_heard_of_once(grant, receipt_for):
    Grant.objects.update(max_uploads=3)
    others = [f"019ab0c0-0000-7000-8000-00000000000{n}" for n in (2, 3)]
    stored = [
        {**upload(receipt=receipt_for(grant, upload_id=each)), "upload_id": each} for each in (UPLOAD_ID, *others)
    ]
    assert outcome(reconcile(knows(grant, *stored[:2]))) == {"asked": 1, "completed": 1}
    assert outcome(reconcile(knows(grant, *stored[:2]))) == {"asked": 1, "waiting": 1}
    assert outcome(reconcile(knows(grant, *stored))) == {"asked": 1, "completed": 1}
    grant.refresh_from_db()
    assert (grant.state, grant.stored.count()) == ("complete", 3)
    assert outcome(reconcile(knows(grant, *stored))) == {}


def test_a_grant_of_several_that_was_not_used_up_expires_with_what_it_brought(ended, receipt_for):
    Grant.objects.update(max_uploads=2)
    services = knows(ended, upload(receipt=receipt_for(ended)))
    assert outcome(reconcile(services)) == {"asked": 1, "completed": 1}
    assert outcome(reconcile(services)) == {"asked": 1, "expired": 1}
    ended.refresh_from_db()
    assert (ended.state, ended.stored.count()) == ("expired", 1)


def test_next_round_does_not_ask_about_what_is_complete(grant, receipt_for):
    services = knows(grant, upload(receipt=receipt_for(grant)))
    reconcile(services)
    assert outcome(reconcile(services)) == {}
    assert services.asked == ["grants"]


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_upload_that_ended_here_but_was_stored_there_becomes_complete(grant, receipt_for, state):
    Grant.objects.filter(pk=grant.pk).update(state=state)
    assert outcome(reconcile(knows(grant, upload(receipt=receipt_for(grant))))) == {"asked": 1, "completed": 1}


def test_what_ended_days_ago_is_not_asked_about_any_more(grant):
    long_ago = timezone.now() - datetime.timedelta(hours=49)
    Grant.objects.filter(pk=grant.pk).update(state=State.CANCELLED, expires_at=long_ago)
    assert outcome(reconcile(Services())) == {}


def test_unused_grant_in_time_goes_on_waiting(grant):
    assert outcome(reconcile(Services())) == {"asked": 1, "waiting": 1}


def test_unused_grant_past_its_end_expires(ended):
    assert outcome(reconcile(Services())) == {"asked": 1, "expired": 1}
    ended.refresh_from_db()
    assert ended.state == "expired"
    assert AuditEvent.objects.filter(action="grant_expired", subject_id=str(ended.id)).count() == 1


@pytest.mark.parametrize("state", ["receiving", "committing"])
def test_grant_past_its_end_does_not_expire_while_bytes_still_come(ended, state):
    assert outcome(reconcile(knows(ended, upload(state)))) == {"asked": 1, "waiting": 1}


def test_aborted_upload_past_its_end_expires(ended):
    assert outcome(reconcile(knows(ended, upload("aborted")))) == {"asked": 1, "expired": 1}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"uploads": [{}]},
        {"uploads": 1},
        {"uploads": [{"receipt": 1, "state": "x"}]},
        {"uploads": [{"upload_id": "x", "receipt": "x", "state": "x"}]},
        {"uploads": [{"upload_id": UPLOAD_ID, "receipt": 1, "state": "x"}]},
    ],
)
def test_answer_that_makes_no_sense_is_refused_and_changes_nothing(ended, answer):
    assert outcome(reconcile(Services(**{ended.id.hex: answer}))) == {"asked": 1, "refused": 1}
    ended.refresh_from_db()
    assert ended.state == "issued"


def test_forged_receipt_is_refused_and_the_others_are_still_settled(ended, person, collection, receipt_for):
    other, _ = actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    services = knows(ended, upload(receipt="a.b.c"))
    services.known |= knows(other, upload(receipt=receipt_for(other))).known
    assert outcome(reconcile(services)) == {"asked": 2, "refused": 1, "completed": 1}
    ended.refresh_from_db()
    assert ended.state == "issued"


def test_command_prints_counts(grant, receipt_for, monkeypatch, capsys):
    monkeypatch.setattr(command, "internal_api", lambda: knows(grant, upload(receipt=receipt_for(grant))))
    call_command("reconcile")
    assert capsys.readouterr().out == "asked=1 completed=1 expired=0 waiting=0 refused=0 failed=0\n"


@pytest.fixture
def grants(person, collection):
    """Five of them, oldest first."""
    issue = lambda: actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)[0]  # noqa: E731
    return [issue() for _ in range(5)]


def all_of(grants, receipt_for, **answers):
    """Services that stored a file for each grant; `answers` for some of them, by place, is what they do instead."""
    known = {each.id.hex: {"uploads": [upload(receipt=receipt_for(each))]} for each in grants}
    for place, each in enumerate(grants):
        uploads = known[each.id.hex]["uploads"]
        uploads[0] = {**uploads[0], "upload_id": UPLOAD_ID[:-1] + str(place)}
        uploads[0]["receipt"] = receipt_for(each, upload_id=uploads[0]["upload_id"])
    return Services(**known | {grants[int(place[1:])].id.hex: answer for place, answer in answers.items()})


def test_many_are_asked_about_together_and_again_alone_only_where_more_follows(person, collection, grants, receipt_for):
    for _ in range(36):
        actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    services = all_of(grants, receipt_for)
    long = services.known[grants[2].id.hex]["uploads"]
    long[:0] = [{"upload_id": f"{UPLOAD_ID[:-2]}{number}", "state": "aborted", "receipt": None} for number in range(20, 30)]
    assert outcome(reconcile(services)) == {"asked": 41, "completed": 5, "waiting": 36}
    assert services.asked == ["grants", f"grants/{grants[2].id}", "grants", "grants"]


@pytest.mark.parametrize("answer", [StorageAnswerBad(), None, {}, {"grants": None}, {"grants": []}, {"grants": {}}])
def test_where_nothing_is_told_together_each_is_asked_about_by_itself(grants, receipt_for, monkeypatch, answer):
    """A services tier that is older than this web tier, or that cannot tell in time about so many."""
    services = all_of(grants, receipt_for)

    def no_batch(ids):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(services, "_batch", no_batch)
    assert outcome(reconcile(services)) == {"asked": 5, "completed": 5}
    assert services.asked == ["grants", *(f"grants/{each.id}" for each in grants)]


@pytest.mark.parametrize("fault", [StorageUnreachable(), StorageFailing(), OperationalError("locked"), RuntimeError()])
def test_one_grant_that_fails_keeps_no_other_from_its_receipt(grants, receipt_for, monkeypatch, capsys, fault):
    services = all_of(grants, receipt_for, _0=fault, _3=fault)
    monkeypatch.setattr(command, "internal_api", lambda: services)
    with pytest.raises(CommandError, match="2 of 5") as caught:
        call_command("reconcile")
    assert caught.value.returncode == 1
    said = capsys.readouterr()
    assert said.out == "asked=5 completed=3 expired=0 waiting=0 refused=0 failed=2\n"
    cause = getattr(fault, "code", type(fault).__name__)
    assert said.err.splitlines() == [f"grant {grants[place].id}: {cause}" for place in (0, 3)]
    assert Grant.objects.filter(state="complete").count() == 3


def test_any_number_of_failing_grants_keeps_no_other_from_its_receipt(grants, receipt_for):
    services = all_of(grants, receipt_for, **{f"_{place}": StorageFailing() for place in range(4)})
    assert outcome(reconcile(services)) == {"asked": 5, "completed": 1, "failed": 4}


def test_the_second_fault_of_the_database_in_a_row_ends_the_round_with_one_line(grants, receipt_for, monkeypatch):
    services = all_of(grants, receipt_for, **{f"_{place}": OperationalError("locked") for place in range(5)})
    monkeypatch.setattr(command, "internal_api", lambda: services)
    with pytest.raises(CommandError, match="The database cannot be used now") as caught:
        call_command("reconcile")
    assert (caught.value.returncode, len(services.asked)) == (1, 1 + 2)


@pytest.mark.parametrize(("fault", "asked"), [(StorageUnreachable(), 1 + 3), (StorageRefused(), 1)])
def test_command_fails_when_the_services_tier_answers_nobody(grants, receipt_for, monkeypatch, fault, asked):
    services = all_of(grants, receipt_for, **{f"_{place}": fault for place in range(5)})
    monkeypatch.setattr(command, "internal_api", lambda: services)
    with pytest.raises(CommandError, match=fault.code) as caught:
        call_command("reconcile", "--once")
    assert (caught.value.returncode, len(services.asked)) == (1, asked)
    assert Grant.objects.filter(state="issued").count() == 5


class Enough(BaseException):
    pass


@pytest.mark.django_db(transaction=True)  # a round begins by giving its connection back
@pytest.mark.parametrize("broken", ["waiting", "internal_api", "stdout"])
def test_rounds_go_on_after_a_fault_of_any_kind(grants, receipt_for, monkeypatch, capsys, broken):
    rounds, faults = [], []

    def once(real):
        def fail(*args, **kwargs):
            if not faults:
                faults.append(None)
                raise OSError(28, "No space left") if broken == "stdout" else OperationalError("disk is full")
            return real(*args, **kwargs)

        return fail

    def pause(seconds):
        rounds.append(seconds)
        if len(rounds) == 2:
            raise Enough

    monkeypatch.setattr(command.time, "sleep", pause)
    monkeypatch.setattr(command, "internal_api", lambda: all_of(grants, receipt_for))
    place = {"waiting": rules, "internal_api": command, "stdout": OutputWrapper}[broken]
    name = "write" if broken == "stdout" else broken
    monkeypatch.setattr(place, name, once(getattr(place, name)))
    with pytest.raises(Enough):
        call_command("reconcile", "--every", "7")
    assert rounds == [7, 7] and "asked=" in capsys.readouterr().out
    assert Grant.objects.filter(state="complete").count() == 5


def test_every_state_stands_in_the_table_and_complete_is_final():
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.COMPLETE] == frozenset()
    assert all(State.COMPLETE in after for before, after in TRANSITIONS.items() if before != State.COMPLETE)
