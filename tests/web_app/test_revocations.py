"""Permission ends when it ends: whatever ends it, the services tier is told, until it has heard (ADR 0028)."""

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.waiting import wait_for
from tests.web_app.conftest import PASSWORD, Api, just_signed_in
from tests.web_app.test_renewal import claims_of
from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, User
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.config.places import TELLING
from web_app.grants import actions, browsers, revoking
from web_app.grants import ids as grants_ids
from web_app.grants.models import Browser, Grant, HandedOut, Revocation
from web_app.grants.reconcile import reconcile
from web_app.grants.states import State
from web_app.storage.errors import ObjectUnknown, StorageAnswerBad, StorageUnreachable

pytestmark = pytest.mark.django_db(transaction=True)


class Services:
    """Stands in for the internal API: what it was told, unless it is away."""

    def __init__(self):
        self.told, self.asked, self.away = set(), 0, False

    def ask(self, method, path, query=None):
        self.asked += 1
        if self.away:
            raise StorageUnreachable
        named = {subject for kind in ("grant", "token", "browser") for subject in query.get(kind, ())} if path == "revocations" else set()
        if (method, path) == ("GET", "revocations"):
            return {"revoked": sorted(named & self.told)}
        if method == "GET":
            raise ObjectUnknown
        assert (method, path) == ("PUT", "revocations")
        assert 1 <= len(named) <= 15
        self.told |= named


@pytest.fixture(autouse=True)
def services(monkeypatch):
    made = Services()
    monkeypatch.setattr(revoking, "prompt_api", lambda: made)
    return made


@pytest.fixture
def key(person):
    return api_keys.create(person, label="", who=COMMAND)[0]


@pytest.fixture
def grant(person, collection, key):
    return actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND, api_key=key)[0]


def saved(row, **fields):
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def scoped(key, *collections):
    key.collections.set(collections)


ENDS = {
    "member removed": lambda person, collection, key, grant: collection.members.remove(person),
    "members set anew": lambda person, collection, key, grant: collection.members.set([]),
    "membership deleted": lambda person, collection, key, grant: Membership.objects.get().delete(),
    "memberships deleted": lambda person, collection, key, grant: Membership.objects.all().delete(),
    "membership closed": lambda person, collection, key, grant: saved(Membership.objects.get(), may_upload=False),
    "memberships closed": lambda person, collection, key, grant: Membership.objects.update(may_upload=False),
    "moved elsewhere": lambda person, collection, key, grant: saved(
        Membership.objects.get(), collection=Collection.objects.create(slug="other", title="O")
    ),
    "person deactivated": lambda person, collection, key, grant: saved(person, is_active=False),
    "people deactivated": lambda person, collection, key, grant: User.objects.update(is_active=False),
    "collection closed": lambda person, collection, key, grant: saved(collection, active=False),
    "collections closed": lambda person, collection, key, grant: Collection.objects.bulk_update(
        [collection], ["active"]
    ) if setattr(collection, "active", False) is None else None,
    "key revoked": lambda person, collection, key, grant: api_keys.revoke(key, who=COMMAND),
    "key ended early": lambda person, collection, key, grant: saved(key, expires_at=timezone.now()),
    "key for another collection": lambda person, collection, key, grant: scoped(
        key, Collection.objects.create(slug="other", title="O")
    ),
    "grant cancelled": lambda person, collection, key, grant: actions.cancel(grant, who=COMMAND),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_whatever_ends_a_permission_is_told_at_once(services, person, collection, key, grant, how):
    ENDS[how](person, collection, key, grant)
    assert services.told == {str(grant.id)}
    assert Grant.objects.get().state == State.CANCELLED
    revocation = Revocation.objects.get()
    assert revocation.heard_at is not None
    assert revocation.until == grant.expires_at
    action = "grant_cancelled" if how == "grant cancelled" else "grant_revoked"
    assert AuditEvent.objects.filter(action=action, subject_id=str(grant.id)).count() == 1


def test_what_ends_nothing_tells_nobody(services, person, collection, key, grant, stranger):
    saved(person, last_name="Lovelace")
    person.groups.add(Group.objects.create(name="g"))
    saved(collection, title="Other", max_size=5)
    scoped(key, collection)
    saved(stranger, is_active=False)
    Membership.objects.update(may_upload=True)
    assert not services.asked
    assert Grant.objects.get().state == State.ISSUED


def test_a_complete_grant_is_over_and_its_receipt_stays(services, person, grant, receipt_for):
    actions.complete(receipt_for(grant), uploader=person, who=COMMAND)
    saved(person, is_active=False)
    assert not services.asked


def test_a_receipt_of_bytes_that_were_quicker_is_taken(person, grant, receipt_for):
    saved(person, is_active=False)
    actions.complete(receipt_for(grant), uploader=person, who=COMMAND)
    assert Grant.objects.get().state == State.COMPLETE


def test_what_was_not_heard_stays_until_it_is(services, page_api, person, grant):
    services.away = True
    said = page_api(person).delete(f"uploads/{grant.id}").json()
    assert (said["state"], said["revocation"]) == ("cancelled", "will be told")
    with pytest.raises(CommandError, match="not heard of 1"):
        reconcile_with(services)
    services.away = False
    reconcile_with(services)
    assert services.told == {str(grant.id)}
    assert page_api(person).get(f"uploads/{grant.id}").json()["revocation"] == "told"


def test_the_admin_says_what_was_not_heard(services, browser, operator, person, grant):
    client = just_signed_in(browser(operator))
    client.handler.enforce_csrf_checks = False
    services.away = True
    key = ApiKey.objects.get()
    client.post("/admin/accounts/apikey/", urlencode({"action": "revoke", "_selected_action": key.pk}), content_type=FORM)
    assert b"has not heard yet that 1 permissions ended" in client.get("/admin/accounts/apikey/").content
    assert b"will be told" in client.get("/admin/grants/grant/").content


def reconcile_with(services):
    from web_app.grants.management.commands import reconcile as command

    patch = pytest.MonkeyPatch()
    with patch.context() as here:
        here.setattr(command, "internal_api", lambda: services)
        call_command("reconcile")


def test_a_tier_that_is_away_is_asked_once_for_each_transaction_and_then_told_all(services, person, collection):
    for _ in range(120):
        actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    services.away = True
    saved(person, is_active=False)
    assert services.asked == 1
    services.away = False
    reconcile(services)
    assert len(services.told) == 120


def test_a_tier_that_hangs_holds_up_one_who_tells_and_one_who_waits_and_nobody_else(services, monkeypatch, page_api, person, collection):
    """Whoever comes third is answered at once, and the one who waits says theirs as well."""
    first, *others = [actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)[0] for _ in range(3)]
    hangs, goes_on, ask = threading.Event(), threading.Event(), services.ask

    def slow(*args):
        hangs.set()
        assert goes_on.wait(20)
        return ask(*args)

    monkeypatch.setattr(services, "ask", slow)
    monkeypatch.setattr(TELLING, "_patience", 20)

    def cancelled(grant):
        try:
            return actions.cancel(grant, who=COMMAND)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        try:
            told = [pool.submit(cancelled, first)]
            assert hangs.wait(20)
            told.append(pool.submit(cancelled, others[0]))
            wait_for(lambda: len(TELLING._line) == 1)
            answer = page_api(person).delete(f"uploads/{others[1].id}")
            assert (answer.status_code, answer.json()["revocation"]) == (200, "will be told")
        finally:
            goes_on.set()
        assert all(each.result() for each in told)
    assert services.told == {str(grant.id) for grant in (first, *others)}


def test_very_many_browsers_end_in_a_few_statements(services, person):
    until = timezone.now() + datetime.timedelta(hours=1)
    Browser.objects.bulk_create([Browser(digest=f"{number:043}", person=person, until=until) for number in range(40)])
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            browsers.sign_out_everywhere(person)
        assert len(asked) < 40 and Revocation.objects.count() == len(services.told) == 40


def test_very_many_grants_end_in_few_statements(services, person, collection, key):
    """Everybody waits for the database meanwhile. Each still has its event."""
    now, number = timezone.now(), 60
    said = {"uploader": person, "collection": collection, "max_size": 9, "api_key": key, "created_at": now, "start_by": now}
    said["expires_at"] = now + datetime.timedelta(hours=1)
    made = Grant.objects.bulk_create([Grant(**said) for _ in range(number)])
    HandedOut.objects.bulk_create([HandedOut(grant=one, api_key=key, issued_at=now, until=said["expires_at"]) for one in made])
    with CaptureQueriesContext(connection) as asked:
        api_keys.revoke(key, who=COMMAND)
    assert len([query for query in asked if "INSERT" in query["sql"]]) < number + 10
    assert len([query for query in asked if "audit" not in query["sql"]]) < 60
    assert set(Grant.objects.values_list("state", "end")) == {("cancelled", "api_key")}
    assert AuditEvent.objects.filter(action="grant_revoked").count() == number
    assert services.told >= {str(one.id) for one in made}


def test_what_time_alone_ends_is_found_by_reconcile(services, person, collection, key, grant):
    # Not by way of the model: as an end that came by itself.
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=None)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_apikey SET expires_at = %s", [timezone.now() - datetime.timedelta(seconds=1)])
    assert not services.told
    reconcile(services)
    assert services.told == {str(grant.id)}


def test_a_grant_that_expired_while_its_request_runs_is_taken_back_as_well(services, person, grant):
    Grant.objects.update(state=State.EXPIRED, expires_at=timezone.now() - datetime.timedelta(hours=1))
    saved(person, is_active=False)
    assert services.told == {str(grant.id)}
    saved(person, is_active=True)
    with pytest.raises(Exception, match="grant_ended"):
        actions.renew(grant, grant.id, binding=None, who=COMMAND)


def test_a_grant_that_is_issued_while_its_permission_ends_is_taken_back(services, monkeypatch, person, collection, key):
    """The one that ends it does not see the grant yet, and the one that issues it does not see the end."""
    note = actions.record

    def ends_meanwhile(*args, **kwargs):
        note(*args, **kwargs)
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("UPDATE collections_membership SET may_upload = %s", [False])

    monkeypatch.setattr(actions, "record", ends_meanwhile)
    with pytest.raises(Exception, match="collection_forbidden"):
        actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND, api_key=key)
    assert services.told == {str(Grant.objects.get().id)}


def test_a_change_that_does_not_happen_ends_nothing(services, person, grant):
    from django.db import transaction

    with pytest.raises(RuntimeError), transaction.atomic():
        saved(person, is_active=False)
        raise RuntimeError
    assert not services.asked and not Revocation.objects.exists()


# -- one token of a grant that goes on -------------------------------------------------------------------------


UPLOAD = grants_ids.uuid7()


def another(person):
    return api_keys.create(person, label="", who=COMMAND)[0]


def renewed_by(key, grant, binding=None):
    return actions.renew(grant, UPLOAD, binding=binding, who=COMMAND, api_key=key)[0]


def told_of(grant, *moments):
    return {f"{grant.pk}:{int(moment.timestamp())}" for moment in moments}


ENDS_OF_ONE_KEY = {
    "revoked": lambda key: api_keys.revoke(key, who=COMMAND),
    "ended early": lambda key: saved(key, expires_at=timezone.now()),
    "ended by time": lambda key: ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
    "for another collection": lambda key: scoped(key, Collection.objects.create(slug="other", title="O")),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS_OF_ONE_KEY)
def test_what_a_key_was_given_ends_with_it_though_another_key_renewed_the_grant(services, person, collection, key, grant, how):
    again = renewed_by(key, grant)
    other = another(person)
    renewed_by(other, grant)
    ENDS_OF_ONE_KEY[how](key)
    expected = told_of(grant, grant.created_at, again.start_by - datetime.timedelta(seconds=collection.start_within))
    assert services.told == expected
    assert Grant.objects.get().state == State.ISSUED, "the other key's permission goes on"
    assert renewed_by(other, grant).state == State.ISSUED
    api_keys.revoke(other, who=COMMAND)
    assert services.told == expected | {str(grant.id)}


def test_a_key_that_ended_while_it_renewed_gets_no_token_that_lives(services, monkeypatch, person, grant, key):
    """And another one renews right behind it, so that the grant is no longer this key's."""
    other, note = another(person), actions.record

    def ends_meanwhile(*args, **kwargs):
        note(*args, **kwargs)
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_apikey SET revoked_at = %s WHERE id = %s", [timezone.now(), key.pk])
            cursor.execute("UPDATE grants_grant SET api_key_id = %s", [other.pk])

    monkeypatch.setattr(actions, "record", ends_meanwhile)
    with pytest.raises(Exception, match="collection_forbidden"):
        renewed_by(key, grant)
    assert told_of(grant, grant.created_at) <= services.told


def test_a_last_day_that_was_brought_forward_ends_what_was_handed_out(services, grant, settings):
    Grant.objects.update(created_at=timezone.now() - datetime.timedelta(days=3))
    reconcile(services)
    assert not services.told
    settings.GRANT_LAST_DAY = 2
    reconcile(services)
    assert services.told == {str(grant.id)}


# -- a services tier that came back from a backup ----------------------------------------------------------------


def test_a_services_tier_that_has_forgotten_is_told_all_that_still_matters_again(services, person, collection, key, grant):
    token_grant = actions.issue(person, collection.slug, size=None, sha256=None, binding="b" * 43, who=COMMAND, api_key=key)[0]
    renewed_by(another(person), token_grant)
    api_keys.revoke(key, who=COMMAND)
    revoking.end_browsers(Browser.objects.all())
    everything = set(services.told)
    assert len(everything) == 3
    asked = []
    services.ask, ask = lambda *args: asked.append(args[:2]) or ask(*args), services.ask
    reconcile(services)
    assert asked.count(("GET", "revocations")) == 2 and ("PUT", "revocations") not in asked
    services.told.clear()
    reconcile(services)
    assert services.told == everything
    Revocation.objects.update(until=timezone.now() - datetime.timedelta(days=3))
    services.told.clear()
    reconcile(services)
    assert not services.told


def test_nor_do_later_ones_hide_that_it_has_forgotten(services, person, collection):
    """Those that it was told since it came back it knows: they are not all that is asked about."""
    for _ in range(40):
        actions.cancel(actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)[0], who=COMMAND)
    everything = set(services.told)
    newest = Revocation.objects.order_by("-heard_at", "-id")[:15]
    services.told = {str(row.grant_id) for row in newest}
    for _ in range(20):  # each time there is a chance of one in ten million that it is missed
        reconcile(services)
    assert services.told == everything


def test_a_tier_of_an_older_version_is_told_what_it_understands(services, person, grant):
    ask = services.ask

    def as_before(method, path, query=None):
        if (method, path) == ("GET", "revocations"):
            raise StorageAnswerBad
        return ask(method, path, query)

    services.away = True
    saved(person, is_active=False)
    services.away, services.ask = False, as_before
    Revocation.objects.create(browser="b" * 43, until=grant.expires_at, heard_at=timezone.now())
    reconcile(services)
    assert services.told == {str(grant.id)}


# -- browsers ----------------------------------------------------------------------------------------------------


COOKIE = "__Host-sluice-binding"
FORM = "application/x-www-form-urlencoded"
OURS = {"Referer": "https://localhost:8443/", "X-CSRFToken": "t" * 32}


def asked_for(api, **fields):
    answer = api.post("uploads", {"collection": "mri-2026", **fields})
    assert answer.status_code == 201, answer.content
    return answer.cookies[COOKIE].value


def sign_in(client, name):
    client.cookies["__Host-sluice-csrf"] = "t" * 32
    fields = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": "t" * 32}
    return client.post("/accounts/login/", urlencode(fields), content_type=FORM, headers=OURS)


def sign_out(client):
    assert client.post("/accounts/logout/", "", content_type=FORM, headers=OURS).status_code == 302


def test_after_signing_out_the_binding_is_worth_nothing(services, page_api, person, collection):
    api = page_api(person)
    binding = asked_for(api)
    assert asked_for(api) == binding
    sign_out(api.client)
    assert services.told == {Browser.objects.get().digest}
    # Kept and sent again, it ties nothing any more.
    again = page_api(person)
    again.client.cookies[COOKIE] = binding
    assert asked_for(again) != binding
    assert set(Grant.objects.values_list("state", flat=True)) == {State.ISSUED}


def test_for_the_next_person_the_binding_of_the_last_one_is_worth_nothing(services, page_api, person, stranger, collection):
    Membership.objects.create(user=stranger, collection=collection)
    binding = asked_for(page_api(person))
    client = page_api(stranger).client
    client.logout()
    client.cookies[COOKIE] = binding
    assert sign_in(client, "eve").status_code == 302
    assert services.told == {Browser.objects.get().digest}


def test_the_same_person_keeps_the_binding_and_gets_another_session(services, page_api, person, collection):
    api = page_api(person)
    binding = asked_for(api)
    session = api.client.cookies["__Host-sluice-session"].value
    assert sign_in(api.client, "ada").status_code == 302
    assert api.client.cookies["__Host-sluice-session"].value != session
    assert not services.told
    api.headers["X-CSRFToken"] = api.client.cookies["__Host-sluice-csrf"].value  # which signing in changes
    assert asked_for(api) == binding


def test_a_binding_that_somebody_planted_is_not_taken(page_api, person, collection):
    api = page_api(person)
    api.client.cookies[COOKIE] = "p" * 43
    assert asked_for(api) != "p" * 43


def test_an_older_token_of_a_grant_that_was_renewed_elsewhere_ends_with_its_browser(services, page_api, person, collection):
    first, second = page_api(person), page_api(person)
    asked_for(first)
    grant = Grant.objects.get()
    second.post(f"uploads/{grant.id}/token", {"upload_id": "019abcde-0000-7000-8000-00000000a001"})
    assert Browser.objects.count() == 2
    sign_out(first.client)
    assert len(services.told) == 1


def asked_for_twice(page_api, person):
    """Somebody whose session was given tokens for two bindings: one that this person has from an earlier sign-in, and its own."""
    api = page_api(person)
    api.client.cookies[COOKIE] = asked_for(page_api(person))
    asked_for(api)
    del api.client.cookies[COOKIE]
    asked_for(api)
    assert Browser.objects.count() == 2
    return api


def test_signing_out_ends_all_that_the_session_was_given_whatever_cookie_it_sent(services, page_api, person, collection):
    api = asked_for_twice(page_api, person)
    del api.client.cookies[COOKIE]
    other = page_api(person)  # in another browser, which goes on
    asked_for(other)
    sign_out(api.client)
    assert len(services.told) == 2
    assert asked_for(other)


def test_a_session_that_keeps_no_cookie_leaves_one_row_and_one_thing_to_end(services, page_api, person, collection):
    """Whoever asks a thousand times would have a thousand, and signing out would end each while everybody waits for the database."""
    grant = str(actions.issue(person, collection.slug, size=1, sha256=None, binding=None, who=COMMAND)[0].id)
    api = page_api(person)
    for _ in range(3):
        for path, body in (("uploads", {"collection": "mri-2026"}), ("names", {"grants": [grant]})):
            assert api.post(path, body).status_code == 201
            del api.client.cookies[COOKIE]
    first = Browser.objects.get()
    sign_out(api.client)
    assert services.told == {first.digest}
    again = page_api(person)
    asked_for(again)
    assert Browser.objects.exclude(pk=first.pk).count() == 1, "of another sign-in it is another one"
    # So it is once it has ended.
    revoking.end_browsers(Browser.objects.all())
    del again.client.cookies[COOKIE]
    asked_for(again)
    assert Browser.objects.count() == 3


@pytest.mark.parametrize("how", ["signed out", "another password"])
def test_a_session_that_ends_while_a_token_is_made_leaves_none_that_lives(services, monkeypatch, page_api, person, collection, how):
    api, note = page_api(person), actions.record

    def ends_meanwhile(*args, **kwargs):
        note(*args, **kwargs)
        from django.db import connection

        with connection.cursor() as cursor:  # as a request beside this one, which does not see what is not committed yet
            if how == "signed out":
                cursor.execute("DELETE FROM accounts_session")
            else:
                cursor.execute("UPDATE accounts_user SET password = 'x'")

    monkeypatch.setattr(actions, "record", ends_meanwhile)
    answer = api.post("uploads", {"collection": "mri-2026"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert services.told == {Browser.objects.get().digest}


@pytest.mark.parametrize("how", ["signed out", "signed out of the admin", "another password"])
def test_a_token_that_is_made_while_its_session_ends_does_not_outlive_that(services, monkeypatch, page_api, person, collection, how):
    """The other way round: it is made when what is there has been ended already, and before the session, or its password, has."""
    User.objects.update(is_staff=True)
    api, other = page_api(person), page_api(person)
    other.client.cookies["__Host-sluice-session"] = api.client.cookies["__Host-sluice-session"].value
    asked_for(api)
    made, end_browsers = [], revoking.end_browsers

    def end_then_make(found):
        end_browsers(found)
        if not made:
            made.append(True)
            made[0] = other.post("uploads", {"collection": "mri-2026"})

    monkeypatch.setattr(revoking, "end_browsers", end_then_make)
    if how == "another password":
        person.set_password("another long passphrase")
        with transaction.atomic():
            person.save()
    else:
        path = "/accounts/logout/" if how == "signed out" else "/admin/logout/"
        assert api.client.post(path, "", content_type=FORM, headers=OURS).status_code == 302
    assert made[0].status_code == 401 or Browser.objects.count() == 2
    assert services.told == set(Browser.objects.values_list("digest", flat=True))


def test_the_next_person_in_a_browser_ends_all_that_the_last_one_was_given_there(services, page_api, person, stranger, collection):
    """It keeps one binding of two."""
    api = asked_for_twice(page_api, person)
    assert sign_in(api.client, "eve").status_code == 302
    assert len(services.told) == 2


def test_a_binding_that_ended_while_a_token_was_made_stays_ended_as_long_as_that_token_lives(services, person, collection):
    actions.issue(person, collection.slug, size=None, sha256=None, binding="b" * 43, who=COMMAND)
    revoking.end_browsers(Browser.objects.all())
    Revocation.objects.update(until=timezone.now())
    services.told.clear()
    made = actions.issue(person, collection.slug, size=None, sha256=None, binding="b" * 43, who=COMMAND)[0]
    assert Revocation.objects.get().until >= made.expires_at
    reconcile(services)
    assert services.told == {Browser.objects.get().digest}


# -- every way to get a token, and every end ----------------------------------------------------------------------


OF_ALL = {
    "password changed": lambda person: (person.set_password("another long passphrase"), person.save()),
    "member removed": lambda person: Membership.objects.filter(user=person).delete(),
    "person deactivated": lambda person: saved(person, is_active=False),
    "collection closed": lambda person: saved(Collection.objects.get(), active=False),
    "grant cancelled": lambda person: actions.cancel(Grant.objects.get(), who=COMMAND),
}
OF_A_KEY = {
    "key revoked": lambda key: api_keys.revoke(key, who=COMMAND),
    "key ended": lambda key: ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
    "key for another collection": lambda key: scoped(key, Collection.objects.create(slug="other", title="O")),
}
ENDS_OF = {"page": (*OF_ALL, "signed out"), "key": (*OF_ALL, *OF_A_KEY)}


def is_over(services, token):
    claims = claims_of(token)
    return bool({claims["jti"], f"{claims['jti']}:{claims['iat']}", claims.get("cnf", {}).get("cookie_sha256")} & services.told)


@pytest.mark.parametrize("behind", ["page", "page and key"])  # who renews it later
@pytest.mark.parametrize(("first", "how"), [(first, how) for first, ends in ENDS_OF.items() for how in ends])
def test_each_token_ends_with_what_it_was_asked_for_by_whoever_renewed_later(
    services, page_api, browser, person, collection, monkeypatch, first, how, behind
):
    made = []

    def by_key():
        key, text = api_keys.create(person, label="", who=COMMAND)
        made.append(key)
        return Api(browser(), {"Authorization": f"Bearer {text}"})

    holder = page_api(person) if first == "page" else by_key()
    told = holder.post("uploads", {"collection": "mri-2026"}).json()
    tokens = [told["token"]]
    renewing = [holder, page_api(person), *([by_key()] if behind == "page and key" else [])]
    for number, api in enumerate(renewing, 1):
        later = timezone.now() + datetime.timedelta(seconds=number)
        monkeypatch.setattr(timezone, "now", lambda later=later: later)
        tokens.append(api.post(f"uploads/{told['id']}/token", {"upload_id": str(UPLOAD)}).json()["token"])
    monkeypatch.undo()
    services.told.clear()
    monkeypatch.setattr(revoking, "prompt_api", lambda: services)
    if how in OF_ALL:
        OF_ALL[how](person)
        assert all(is_over(services, token) for token in tokens)
        return
    if how == "signed out":
        sign_out(holder.client)
    else:
        OF_A_KEY[how](made[0])
    assert all(is_over(services, token) for token in tokens[:2]), "the first one, and the one that the same holder renewed"
    others = [is_over(services, token) for token in tokens[2:]]
    assert not any(others) or (first, behind) == ("key", "page"), "what others got goes on, but for a page behind a key"
