"""Passkeys: added by who has just signed in, both factors in one, and nothing but a right answer to what was asked, once."""

import hashlib
import json
import secrets
import threading

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.core import signing
from django.db import connection
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from tests.web_app.conftest import PASSWORD, just_signed_in
from tests.web_app.test_second_factors import APP, FACTORS, REMOVE, SECOND, SIGN_IN, ask, is_in
from web_app.accounts.factors import actions, passkeys
from web_app.accounts.models import Passkey, RecoveryCode, Session
from web_app.audit.models import AuditEvent, SecurityEvent
from web_app.audit.record import COMMAND

pytestmark = pytest.mark.django_db
ADD, ASKED, BY_PASSKEY = "/accounts/factors/passkey/", "/accounts/factors/passkey/asked", "/accounts/login/passkey/"
FLAG = AuthenticatorData.FLAG


class Authenticator:
    """Software that does what a telephone does, and lies where a test wants it to."""

    def __init__(self, *, counts: bool = True):
        self.key, self.id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.counts, self.signed = counts, 0

    def _data(self, *, host="localhost", flags=FLAG.UP | FLAG.UV, credential=b"") -> AuthenticatorData:
        self.signed += self.counts
        return AuthenticatorData.create(hashlib.sha256(host.encode()).digest(), flags, self.signed, credential)

    @staticmethod
    def _client(kind: str, challenge: str, origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()

    def make(self, options: dict, *, origin="https://localhost:8443", kind="webauthn.create", flags=FLAG.UP | FLAG.UV, **lies) -> str:
        self.user = options["user"]["id"]
        credential = AttestedCredentialData.create(b"\0" * 16, self.id, ES256.from_cryptography_key(self.key.public_key()))
        attested = AttestationObject.create("none", self._data(flags=flags | FLAG.AT, credential=credential, **lies), {})
        client = self._client(kind, options["challenge"], origin)
        return self._answer(clientDataJSON=websafe_encode(client), attestationObject=websafe_encode(attested))

    def sign(self, options: dict, *, origin="https://localhost:8443", kind="webauthn.get", user=None, key=None, **lies) -> str:
        client, data = self._client(kind, options["challenge"], origin), self._data(**lies)
        signature = (key or self.key).sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        said = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        return self._answer(**{name: websafe_encode(one) for name, one in said.items()}, userHandle=user or self.user)

    def _answer(self, **response) -> str:
        own = websafe_encode(self.id)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "clientExtensionResults": {}, "response": response})


@pytest.fixture
def owner(browser, person):
    return just_signed_in(browser(person))


@pytest.fixture
def telephone(owner):
    """Of ada, who has added a passkey of it."""
    telephone = Authenticator()
    add(owner, telephone)
    return telephone


def add(client, authenticator, name="My telephone", **lies):
    asked = client.get(ASKED).json()
    return ask(client, ADD, name=name, answer=authenticator.make(asked["options"], **lies), state=asked["state"])


def sign_in(client, authenticator, next_page="", **lies):
    asked = client.get(BY_PASSKEY).json()
    return ask(client, BY_PASSKEY, answer=authenticator.sign(asked["options"], **lies), state=asked["state"], next=next_page)


def test_a_passkey_is_added_by_who_has_just_signed_in_and_brings_recovery_codes_the_first_time(owner, browser, person):
    asked = owner.get(ASKED).json()["options"]
    assert asked["authenticatorSelection"] == {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert asked["rp"] == {"id": "localhost", "name": "Sluice"} and asked["user"]["id"] == websafe_encode(person.uploader_id.encode())
    assert not asked.get("attestation") or asked["attestation"] == "none"
    first, second = Authenticator(), Authenticator()
    done = add(owner, first)
    assert done.status_code == 200 and done.text.count("<li><code>") == 10
    again = add(owner, second, "Key on my ring")
    assert (again.status_code, again["Location"]) == (302, FACTORS) and RecoveryCode.objects.count() == 10
    assert "My telephone" in owner.get(FACTORS).text and "Key on my ring" in owner.get(FACTORS).text
    assert len(owner.get(ASKED).json()["options"]["excludeCredentials"]) == 2
    assert "here already" in add(owner, first).text and Passkey.objects.count() == 2
    told = AuditEvent.objects.filter(action="factor_added").values_list("actor", "fields")
    assert [*told] == [(person.pk, ["passkey"])] * 2
    late = browser(person)
    assert add(late, Authenticator())["Location"].startswith(SIGN_IN) and Passkey.objects.count() == 2


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://evil.example"}, {"origin": "https://localhost:8444"}, {"kind": "webauthn.get"}, {"host": "evil.example"},
        {"flags": FLAG.UP}, {"flags": FLAG.UV},
    ],
    ids=str,
)
def test_a_passkey_that_was_not_made_here_by_a_verified_person_is_not_added(owner, lie):
    assert add(owner, Authenticator(), **lie).status_code == 400 and not Passkey.objects.exists()
    assert add(owner, Authenticator()).status_code == 200 and Passkey.objects.exists()


def test_what_one_person_was_asked_another_cannot_answer(owner, browser, stranger):
    asked = just_signed_in(browser(stranger)).get(ASKED).json()
    form = {"name": "mine", "answer": Authenticator().make(asked["options"]), "state": asked["state"]}
    assert ask(owner, ADD, **form).status_code == 400
    to_sign_in = owner.get(BY_PASSKEY).json()["state"]
    assert ask(owner, ADD, **{**form, "state": to_sign_in}).status_code == 400 and not Passkey.objects.exists()


def test_a_passkey_signs_in_alone_and_leads_on(telephone, browser, person):
    client = browser()
    page = client.get(f"{SIGN_IN}?next=/uploads/").text
    assert 'data-passkey="get"' in page and 'name="next" value="/uploads/"' in page
    assert not Session.objects.exclude(person=person).exists()  # what is asked of strangers leaves no row
    answer = sign_in(client, telephone, "/uploads/")
    assert (answer.status_code, answer["Location"]) == (302, "/uploads/") and is_in(client)
    assert client.session["with_factor"] is True and client.session["signed_in_at"]
    used = AuditEvent.objects.get(action="factor_used")
    assert (used.actor, used.fields) == (person, ["passkey"])
    assert Passkey.objects.get().last_used_at and "last used on" in client.get(FACTORS).text
    assert sign_in(client, telephone, "https://evil.example/")["Location"] == "/"


LIES = [
    {"origin": "https://evil.example"}, {"origin": "http://localhost:8443"}, {"kind": "webauthn.create"}, {"host": "evil.example"},
    {"flags": FLAG.UP}, {"flags": FLAG.UV}, {"key": ec.generate_private_key(ec.SECP256R1())}, {"user": websafe_encode(b"somebody else")},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "another key" if "key" in lie else str(lie))
def test_what_is_not_signed_here_by_the_verified_owner_lets_nobody_in(telephone, browser, lie):
    client = browser()
    answer = sign_in(client, telephone, **lie)
    assert answer.status_code == 400 and "not taken" in answer.text and not is_in(client)
    assert SecurityEvent.objects.get().kind == "factor_refused" and AuditEvent.objects.filter(action="factor_refused").count() == 1
    assert sign_in(client, telephone).status_code == 302 and is_in(client)


def test_an_answer_counts_once_and_none_that_was_asked_for_before_it(telephone, browser):
    client, other = browser(), browser()
    before, asked = client.get(BY_PASSKEY).json(), client.get(BY_PASSKEY).json()
    old, new = telephone.sign(before["options"]), telephone.sign(asked["options"])
    assert ask(client, BY_PASSKEY, answer=new, state=asked["state"]).status_code == 302
    for answer, state in ((new, asked["state"]), (old, before["state"]), (telephone.sign(before["options"]), before["state"])):
        assert ask(other, BY_PASSKEY, answer=answer, state=state).status_code == 400 and not is_in(other)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_show_one_answer_at_once_one_gets_in(telephone):
    asked = passkeys.asked_to_sign_in()
    kept, asked_at, signed = passkeys.shown(telephone.sign(asked["options"]), asked["state"])
    together, found = threading.Barrier(6), []

    def show():
        together.wait()
        try:
            found.append(actions.use_passkey(kept, asked_at, signed, who=COMMAND))
        finally:
            connection.close()

    threads = [threading.Thread(target=show) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 5 + [True]


def test_a_copy_that_has_signed_less_often_is_refused_and_one_that_does_not_count_is_taken(telephone, browser, owner):
    for _ in range(3):
        assert sign_in(browser(), telephone).status_code == 302
    telephone.signed = 2
    assert sign_in(browser(), telephone).status_code == 400
    synced = Authenticator(counts=False)
    add(owner, synced, "Synced")
    assert [sign_in(browser(), synced).status_code for _ in range(2)] == [302, 302]


@pytest.mark.parametrize("what", ["state", "answer", "late", "empty", "unknown", "inactive", "removed"])
def test_whatever_else_comes_is_refused_as_well(telephone, browser, person, monkeypatch, what):
    client = browser()
    asked = client.get(BY_PASSKEY).json()
    answer, state = telephone.sign(asked["options"]), asked["state"]
    if what == "state":
        state = signing.dumps([1, {"challenge": asked["options"]["challenge"], "user_verification": "required"}, "sign in"], salt="other")
    elif what == "answer":
        answer = answer[:-1] + "x"
    elif what == "late":
        monkeypatch.setattr(passkeys, "GOOD_FOR", -1)
    elif what == "empty":
        answer = ""
    elif what == "unknown":
        other = Authenticator()
        other.user = telephone.user
        answer = other.sign(asked["options"])
    elif what == "inactive":
        type(person).objects.filter(pk=person.pk).update(is_active=False)
    else:
        Passkey.objects.all().delete()
    assert ask(client, BY_PASSKEY, answer=answer, state=state).status_code == 400 and not is_in(client)


def test_behind_a_password_a_passkey_is_the_second_step_and_a_recovery_code_stands_in_for_it(telephone, browser, person):
    client = browser()
    assert ask(client, SIGN_IN, username="ada", password=PASSWORD, next="/uploads/")["Location"] == SECOND
    page = client.get(SECOND).text
    assert 'data-passkey="get"' in page and 'value="/uploads/"' in page and 'name="code"' not in page
    assert client.get(APP)["Location"] == SECOND and not is_in(client)  # no app is set up past it
    assert sign_in(client, telephone, "/uploads/")["Location"] == "/uploads/" and is_in(client)
    other = browser()
    ask(other, SIGN_IN, username="ada", password=PASSWORD)
    [one, *_] = actions.make_recovery_codes(person, who=COMMAND)
    assert ask(other, SECOND, recovery_code=one).status_code == 302 and is_in(other)


def test_a_passkey_is_removed_by_its_owner_alone_and_the_last_factor_stays_where_one_is_demanded(
    telephone, owner, browser, person, stranger, settings
):
    add(owner, Authenticator(), "Another")
    mine = [*person.passkeys.values_list("credential_id", flat=True)]
    assert ask(just_signed_in(browser(stranger)), REMOVE, passkey=mine[0]).status_code == 302 and Passkey.objects.count() == 2
    assert ask(browser(person), REMOVE, passkey=mine[0])["Location"].startswith(SIGN_IN) and Passkey.objects.count() == 2
    settings.SECOND_FACTOR = "everyone"
    assert ask(owner, REMOVE, passkey=mine[0]).status_code == 302 and Passkey.objects.count() == 1 and RecoveryCode.objects.exists()
    assert ask(owner, REMOVE, passkey=mine[1]).status_code == 302 and Passkey.objects.count() == 1
    settings.SECOND_FACTOR = "optional"
    assert ask(owner, REMOVE, passkey=mine[1]).status_code == 302 and not Passkey.objects.exists() and not RecoveryCode.objects.exists()
    assert sign_in(browser(), telephone).status_code == 400


def test_one_person_has_so_many_passkeys_and_no_more(owner, person, monkeypatch):
    monkeypatch.setattr(actions, "MOST_PASSKEYS", 1)
    add(owner, Authenticator())
    assert "1 passkeys already" in add(owner, Authenticator()).text and person.passkeys.count() == 1


def test_taking_all_away_takes_passkeys_too(telephone, browser, person):
    assert actions.take_all_away(person, who=COMMAND) == ["passkey", "recovery_codes"]
    assert sign_in(browser(), telephone).status_code == 400
