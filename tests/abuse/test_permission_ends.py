"""Attacks by somebody who may no longer: with a token that was handed out before, and with a request that runs."""

import sqlite3
import time

import pytest

from dev.client import Client
from tests.faults.slow_sender import Sender, wait_until_taken
from tests.waiting import wait_for

SOON = 10.0  # seconds that a revocation may take
FIRST = b"PK\x03\x04" + b"x" * (3 << 20)

# What an operator does, in the words of web_app's models; `person`, `key`, `grant` and `slug` are set.
ENDS = {
    "member removed": "Collection.objects.get(slug=slug).members.remove(person)",
    "membership closed": "m = Membership.objects.get(user=person); m.may_upload = False; m.save()",
    "memberships closed in one statement": "Membership.objects.filter(user=person).update(may_upload=False)",
    "person deactivated": "person.is_active = False; person.save()",
    "collection closed": "c = Collection.objects.get(slug=slug); c.active = False; c.save()",
    "key revoked": "api_keys.revoke(key, who=COMMAND)",
    "grant cancelled": "actions.cancel(grant, who=COMMAND)",
}
_GIVEN = """
from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, User
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.grants import actions
from web_app.grants.models import Grant
slug = "{slug}"
person = User.objects.get(username=slug)
key = person.api_keys.earliest("id")
grant = Grant.objects.filter(uploader=person).first()
"""


class Member:
    """A person with a collection and a key of their own, so that what ends is theirs alone."""

    def __init__(self, stack, name: str):
        self.stack, self.name = stack, name
        user = {"DJANGO_SUPERUSER_USERNAME": name, "DJANGO_SUPERUSER_EMAIL": "x@example.org"}
        stack.manage(
            "web_app", "createsuperuser", "--noinput", env=user | {"DJANGO_SUPERUSER_PASSWORD": "p" * 20 + name}
        )
        stack.create_collection(name, "--title", name, "--member", name, "--max-uploads", "5")
        self.client = Client(stack.edge_port, stack.keys.edge_ca, stack.create_api_key(name))

    def token(self) -> str:
        return self.client.new_grant(self.name)["token"]

    def ends(self, how: str) -> None:
        self.stack.manage("web_app", "shell", "-v0", "-c", _GIVEN.format(slug=self.name) + ENDS[how])


@pytest.mark.parametrize("how", ENDS)
def test_a_permission_that_ended_takes_no_byte_and_stops_what_runs(own, bystander, how):
    member = Member(own, how.replace(" ", "-"))
    token = member.token()
    kept = member.client.put(token, FIRST)
    assert kept.status == 201, kept
    running = Sender(own, token, FIRST, FIRST)
    wait_until_taken(own, len(FIRST) // 3)  # nginx holds on to some of it
    member.ends(how)
    told = time.monotonic()

    wait_for(lambda: not own.staged(), SOON)  # what the request had brought is freed
    late = member.client.put(token, FIRST)
    assert (late.status, late.json()["code"]) == (403, "grant_revoked")
    running.go_on()
    cut_off = running.reply()
    assert (cut_off.status, cut_off.json()["code"]) == (403, "grant_revoked")
    assert time.monotonic() - told < SOON + 5
    # What was stored before stays true.
    shown = member.client.send("GET", kept.headers["Location"], [], 0, {"Authorization": f"Bearer {token}"})
    assert shown.status == 200
    assert shown.json()["receipt"] == kept.json()["receipt"]
    assert bystander.uploads()


def test_a_services_tier_that_was_away_hears_of_it_when_it_is_back(own, bystander):
    member = Member(own, "away")
    token = member.token()
    own.stop_process("control")
    member.ends("person deactivated")
    own.start_process("control")
    own.manage("web_app", "reconcile")
    late = member.client.put(token, FIRST)
    assert (late.status, late.json()["code"]) == (403, "grant_revoked")
    assert bystander.uploads()


def test_a_token_ends_with_the_key_that_got_it_though_another_key_renewed_the_grant_and_a_backup_revives_nothing(own, bystander):
    member = Member(own, "two-keys")
    tus = {"Tus-Resumable": "1.0.0"}
    append = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    grant = member.client.new_grant(member.name)
    bearer = {"Authorization": f"Bearer {grant['token']}"}
    made = member.client.send("POST", "/u", [], 0, {**tus, **bearer, "Upload-Length": "8"})
    upload = made.headers["Location"]
    time.sleep(1.1)  # a token is known by the second in which it was made
    other = Client(own.edge_port, own.keys.edge_ca, own.create_api_key(member.name))
    renewal = other.call("POST", f"/api/v1/uploads/{grant['id']}/token", {"upload_id": upload.rpartition("/")[2]})
    assert renewal.status == 201, renewal
    renewed = renewal.json()["token"]
    member.ends("key revoked")

    def old_token():
        answer = member.client.send("PATCH", upload, [b"PK\x03\x04xxxx"], 8, {**append, **bearer})
        return answer.status, answer.json()["code"]

    assert old_token() == (401, "token_expired")
    with sqlite3.connect(own.services_state / "services.sqlite3") as database:  # as an older copy of it would be
        database.execute("DELETE FROM revocations_revocation")
    own.manage("web_app", "reconcile")
    assert old_token() == (401, "token_expired")
    done = other.send("PATCH", upload, [b"PK\x03\x04xxxx"], 8, {**append, "Authorization": f"Bearer {renewed}"})
    assert done.status == 204, done
    assert bystander.uploads()
