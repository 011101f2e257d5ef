"""A second factor: set up, asked for behind the password, good once, and nothing opens in between."""

import base64
import io
import re
import threading
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection

from tests.web_app.conftest import PASSWORD, just_signed_in
from web_app.accounts import api_keys, devices, throttle
from web_app.accounts.factors import actions, recovery, sealing, totp
from web_app.accounts.models import RecoveryCode, Session, SignInTries, Totp
from web_app.audit.models import AuditEvent, SecurityEvent
from web_app.audit.record import COMMAND

pytestmark = pytest.mark.django_db
SIGN_IN, SECOND, FACTORS, APP = "/accounts/login/", "/accounts/login/code/", "/accounts/factors/", "/accounts/factors/app/"
REMOVE, CODES = "/accounts/factors/remove", "/accounts/factors/codes"
SECRET = b"12345678901234567890"
INSIDE = ("/", "/uploads/", "/keys/", FACTORS, APP, "/accounts/sessions/", "/accounts/password/", "/admin/", "/collections/", "/session")


def ask(client, path, **fields):
    client.cookies["__Host-sluice-csrf"] = "t" * 32
    body = urlencode({**fields, "csrfmiddlewaretoken": "t" * 32})
    return client.post(path, body, content_type="application/x-www-form-urlencoded", headers={"Origin": "https://localhost:8443"})


def code(ahead: int = 0, secret: bytes = SECRET) -> str:
    return totp.code_at(secret, int(clock.now) // totp.STEP + ahead)


class clock:
    now = 0.0


@pytest.fixture(autouse=True)
def a_clock_that_stands_still(monkeypatch):
    """At the middle of a step, for all that asks `time.time`."""
    clock.now = time.time() // totp.STEP * totp.STEP + totp.STEP / 2
    monkeypatch.setattr(actions.time, "time", lambda: clock.now)


@pytest.fixture
def guarded(person):
    """Who set up an app a while ago."""
    Totp.objects.create(person=person, sealed=sealing.seal(SECRET, person.uploader_id), last_step=0)
    return person


@pytest.fixture
def between(browser, guarded):
    """A browser in which their password was right."""
    client = browser()
    answer = ask(client, SIGN_IN, username="ada", password=PASSWORD, next="/uploads/")
    assert (answer.status_code, answer["Location"]) == (302, SECOND)
    return client


def is_in(client) -> bool:
    return client.get("/session").status_code == 200


# RFC 6238, appendix B, for SHA-1; the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "eight"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"), (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds, eight):
    assert totp.code_at(SECRET, seconds // 30) == eight[-6:]
    assert totp.step_of(SECRET, f" {eight[-6:-3]} {eight[-3:]} ", seconds) == seconds // 30


@pytest.mark.parametrize("ahead", range(-3, 4))
def test_a_code_of_the_step_before_and_after_is_right_and_no_other(ahead):
    step = totp.step_of(SECRET, totp.code_at(SECRET, 1000 + ahead), 30 * 1000 + 29)
    assert step == (1000 + ahead if abs(ahead) <= 1 else None)
    assert [totp.step_of(SECRET, typed, 30000) for typed in ("", "12345", "1234567", "١٢٣٤٥٦", "-12345")] == [None] * 5


def test_what_is_sealed_opens_for_its_person_alone_and_under_every_key_that_is_there(settings):
    sealed = sealing.seal(SECRET, "ada")
    with pytest.raises(sealing.NotOpened):
        sealing.opened(sealed, "eve")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 43, [settings.SECRET_KEY]
    assert sealing.opened(sealed, "ada") == SECRET
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(sealing.NotOpened):
        sealing.opened(sealed, "ada")


@pytest.fixture
def owner(browser, person):
    return just_signed_in(browser(person))


def test_an_app_is_set_up_once_it_shows_the_right_code_and_recovery_codes_come_with_it(owner, person):
    page = owner.get(APP)
    address = re.search(r'href="(otpauth://[^"]+)"', page.text)[1].replace("&amp;", "&")
    asked = parse_qs(urlsplit(address).query)
    assert urlsplit(address).path == "/Sluice%20localhost:ada" and asked["issuer"] == ["Sluice localhost"]
    secret = re.search(r'<code id="app-secret">([A-Z2-7]{32})<', page.text)[1]
    assert asked["secret"] == [secret] and '<svg' in page.text and "style=" not in page.text
    kept = sealing.opened(owner.session["new_totp"], person.uploader_id)
    assert totp.spelled(kept) == secret and secret in owner.get(APP).text  # the same when it is loaded again
    wrong = ask(owner, APP, code="000000" if code(secret=kept) != "000000" else "000001")
    assert wrong.status_code == 400 and not Totp.objects.exists()

    done = ask(owner, APP, code=code(secret=kept))
    shown = re.findall(r"<li><code>([0-9a-z]{4}(?:-[0-9a-z]{4}){3})<", done.text)
    assert done.status_code == 200 and len(set(shown)) == 10 and "no-store" in done["Cache-Control"]
    row = Totp.objects.get()
    assert sealing.opened(row.sealed, person.uploader_id) == kept and "new_totp" not in owner.session
    held = [str(one.get_decoded()) for one in Session.objects.all()]
    stored = " ".join([row.sealed, *RecoveryCode.objects.values_list("digest", flat=True), *held])
    assert not any(one in stored or one.replace("-", "") in stored for one in [secret, kept.hex(), *shown])
    told = AuditEvent.objects.filter(person=person, action__contains="factor") | AuditEvent.objects.filter(action="recovery_codes_made")
    assert sorted((one.action, *one.fields) for one in told) == [("factor_added", "totp"), ("recovery_codes_made", "recovery_codes")]
    assert not actions.use_code(person, code(secret=kept), who=COMMAND)  # the one that was shown is spent
    assert "Left: 10 of 10" in owner.get(FACTORS).text


def test_what_is_set_up_in_one_browser_by_one_person_is_not_shown_to_the_next(owner, stranger):
    before = re.search(r'id="app-secret">(\w+)<', owner.get(APP).text)[1]
    kept = owner.session["new_totp"]
    owner.force_login(stranger)
    session = just_signed_in(owner).session
    session["new_totp"] = kept
    session.save()
    assert re.search(r'id="app-secret">(\w+)<', owner.get(APP).text)[1] != before


def test_another_app_takes_the_place_of_the_first_and_recovery_codes_stay(browser, guarded):
    actions.make_recovery_codes(guarded, who=COMMAND)
    owner = just_signed_in(browser(guarded))
    assert "good until then" in owner.get(APP).text
    fresh = sealing.opened(owner.session["new_totp"], guarded.uploader_id)
    answer = ask(owner, APP, code=code(secret=fresh))
    assert (answer.status_code, answer["Location"]) == (302, FACTORS)
    assert not actions.use_code(guarded, code(1), who=COMMAND)
    assert actions.use_code(guarded, code(1, fresh), who=COMMAND) == "totp"
    assert RecoveryCode.objects.count() == 10
    assert [*AuditEvent.objects.filter(action__startswith="factor").order_by("id").values_list("action", flat=True)] == [
        "factor_removed", "factor_added", "factor_used",
    ]


@pytest.mark.parametrize("path", [APP, REMOVE, CODES])
def test_who_finds_an_open_browser_changes_nothing(browser, guarded, path):
    actions.make_recovery_codes(guarded, who=COMMAND)
    before = [*Totp.objects.values(), *RecoveryCode.objects.values()]
    client = browser(guarded)
    answer = ask(client, path, code=code())
    assert answer.status_code == 302 and answer["Location"].startswith(SIGN_IN)
    assert [*Totp.objects.values(), *RecoveryCode.objects.values()] == before
    ask(just_signed_in(client), path, code=code())
    assert [*Totp.objects.values(), *RecoveryCode.objects.values()] != before or path == APP  # that one asks for another secret's code


def test_an_app_that_is_removed_takes_the_recovery_codes_along_and_the_password_is_enough_again(browser, guarded):
    actions.make_recovery_codes(guarded, who=COMMAND)
    assert ask(just_signed_in(browser(guarded)), REMOVE).status_code == 302
    assert not Totp.objects.exists() and not RecoveryCode.objects.exists()
    client = browser()
    assert ask(client, SIGN_IN, username="ada", password=PASSWORD)["Location"] == "/" and is_in(client)
    assert ask(just_signed_in(client), CODES).status_code == 302 and not RecoveryCode.objects.exists()  # nothing to recover


def test_the_right_code_signs_in_and_leads_on(between, person):
    before = between.session.session_key
    answer = ask(between, SECOND, code=code())
    assert (answer.status_code, answer["Location"]) == (302, "/uploads/")
    assert is_in(between) and devices.COOKIE in answer.cookies
    session = between.session
    assert session.session_key != before and not Session.objects.filter(session_key=before).exists()
    assert session["signed_in_at"] >= time.time() - 60 and "half_signed_in" not in session
    assert Session.objects.get(session_key=session.session_key).person == person
    used = AuditEvent.objects.get(action="factor_used")
    assert (used.actor, used.person, used.fields, used.address) == (person, person, ["totp"], "127.0.0.1")
    assert [*AuditEvent.objects.values_list("action", flat=True)] == ["signed_in", "factor_used"]  # newest first


def test_nothing_opens_between_password_and_second_step(between, browser, person, collection):
    session = Session.objects.get(session_key=between.session.session_key)
    assert session.person is None and SESSION_KEY not in session.get_decoded()
    assert not AuditEvent.objects.filter(action="signed_in").exists() and devices.COOKIE not in between.cookies
    answers = {path: between.get(path) for path in INSIDE}
    shut = {path: re.sub(r"\?.*", "", answer.get("Location", str(answer.status_code))) for path, answer in answers.items()}
    assert shut == {**dict.fromkeys(INSIDE, SIGN_IN), APP: SECOND, "/admin/": "/admin/login/", "/session": "401"}
    assert between.get("/api/v1/uploads").status_code == between.get("/api/v1/whoami").status_code == 401
    ask(between, SECOND, code=code())
    opened = {path: between.get(path).status_code for path in INSIDE}
    assert opened == {**dict.fromkeys(INSIDE, 200), "/admin/": 302}  # ada is no operator


def test_a_session_that_was_known_before_the_password_knows_nothing_of_it(browser, guarded):
    client = browser()
    planted = client.session
    planted["x"] = 1
    planted.save()
    client.cookies["__Host-sluice-session"] = planted.session_key
    ask(client, SIGN_IN, username="ada", password=PASSWORD)
    assert client.cookies["__Host-sluice-session"].value != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()


def test_a_code_is_good_once_and_one_before_it_is_not_good_either(between, browser, guarded):
    assert ask(between, SECOND, code=code()).status_code == 302
    for late in (0, -1):
        other = browser()
        ask(other, SIGN_IN, username="ada", password=PASSWORD)
        assert ask(other, SECOND, code=code(late)).status_code == 400 and not is_in(other)
    assert ask(other, SECOND, code=code(1)).status_code == 302 and is_in(other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["totp", "recovery_codes"])
def test_of_many_who_show_one_code_at_once_one_gets_in(guarded, kind):
    typed = code() if kind == "totp" else actions.make_recovery_codes(guarded, who=COMMAND)[3]
    together, found = threading.Barrier(6), []

    def show():
        together.wait()
        try:
            found.append(actions.use_code(guarded, typed, who=COMMAND))
        finally:
            connection.close()

    threads = [threading.Thread(target=show) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["", "", "", "", "", kind]
    assert AuditEvent.objects.filter(action="factor_used").count() == 1


def test_a_recovery_code_lets_in_once_however_it_is_typed(between, browser, guarded):
    one, other = actions.make_recovery_codes(guarded, who=COMMAND)[:2]
    assert ask(between, SECOND, recovery_code=f" {one.upper().replace('-', ' ').replace('0', 'O').replace('1', 'l')} ").status_code == 302
    assert is_in(between) and AuditEvent.objects.get(action="factor_used").fields == ["recovery_codes"]
    again = browser()
    ask(again, SIGN_IN, username="ada", password=PASSWORD)
    assert ask(again, SECOND, recovery_code=one).status_code == 400 and not is_in(again)
    assert ask(again, SECOND, recovery_code=other).status_code == 302 and is_in(again)
    assert f"Left: {recovery.COUNT - 2} of {recovery.COUNT}" in again.get(FACTORS).text


def test_another_persons_recovery_code_is_none_and_new_ones_end_the_old(between, stranger, guarded):
    theirs = actions.make_recovery_codes(stranger, who=COMMAND)
    old = actions.make_recovery_codes(guarded, who=COMMAND)
    new = actions.make_recovery_codes(guarded, who=COMMAND)
    assert [ask(between, SECOND, recovery_code=one).status_code for one in (theirs[0], old[0])] == [400, 400]
    assert ask(between, SECOND, recovery_code=new[0]).status_code == 302


@pytest.mark.parametrize("why", ["late", "password", "inactive", "another browser", "forged"])
def test_the_second_step_ends_with_what_came_before_it(between, browser, guarded, monkeypatch, why):
    client = between
    if why == "late":
        session = client.session
        session["half_signed_in"] = {**session["half_signed_in"], "at": int(time.time()) - 601}
        session.save()
    elif why == "password":
        guarded.set_password("quite another passphrase")
        guarded.save()
    elif why == "inactive":
        type(guarded).objects.filter(pk=guarded.pk).update(is_active=False)
    else:
        client = browser()
        client.cookies["__Host-sluice-session"] = "x" * 32 if why == "forged" else ""
    answer = ask(client, SECOND, code=code())
    assert answer.status_code == 302 and answer["Location"].startswith(SIGN_IN) and not is_in(client)
    assert Totp.objects.get().last_step == 0  # it was not looked at


def test_wrong_codes_are_counted_by_person_in_all_unknown_browsers_together(between, browser, guarded):
    statuses = []
    for number in range(throttle.CODES_BY_PERSON):
        if number % 5 == 4:
            between = browser()
            ask(between, SIGN_IN, username="ada", password=PASSWORD)
        statuses.append(ask(between, SECOND, code="12345").status_code)
    assert statuses == [400] * throttle.CODES_BY_PERSON
    refused = ask(between, SECOND, code=code())
    assert refused.status_code == 429 and not is_in(between) and Totp.objects.get().last_step == 0
    assert AuditEvent.objects.filter(action="factor_refused", person=guarded, actor=None).count() == 1  # an hour
    assert dict(SecurityEvent.objects.values_list("kind", "count")) == {"factor_refused": 20, "factor_throttled": 1}
    assert {*SecurityEvent.objects.values_list("person", flat=True)} == {guarded.uploader_id}


def test_who_knows_the_password_does_not_shut_the_owner_out_where_they_signed_in_before(between, browser, guarded):
    assert ask(between, SECOND, code=code()).status_code == 302
    guesser = browser()
    ask(guesser, SIGN_IN, username="ada", password=PASSWORD)
    for _ in range(throttle.CODES_BY_PERSON + 1):
        last = ask(guesser, SECOND, code="12345")
    assert last.status_code == 429
    ask(between, SIGN_IN, username="ada", password=PASSWORD)
    for _ in range(throttle.CODES_BY_DEVICE - 1):
        assert ask(between, SECOND, code="12345").status_code == 400
    assert ask(between, SECOND, code=code(1)).status_code == 302 and is_in(between)


def test_a_right_code_is_no_try_and_forgives_none(between, guarded):
    for _ in range(3):
        ask(between, SECOND, code="12345")
    assert ask(between, SECOND, code=code()).status_code == 302
    assert max(SignInTries.objects.values_list("count", flat=True)) == 3


def test_a_secret_that_opens_no_more_is_a_wrong_code_and_recovery_codes_still_let_in(between, guarded, settings, caplog):
    [one, *_] = actions.make_recovery_codes(guarded, who=COMMAND)
    Totp.objects.update(sealed=sealing.seal(SECRET, "somebody else"))
    assert ask(between, SECOND, code=code()).status_code == 400
    assert "factor_not_opened" in caplog.text and SECRET.decode() not in caplog.text
    assert ask(between, SECOND, recovery_code=one).status_code == 302 and is_in(between)


def test_keys_of_programs_need_no_second_factor(browser, guarded):
    _, text = api_keys.create(guarded, label="", who=COMMAND)
    assert browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {text}"}).status_code == 200


@pytest.fixture
def demanded(settings):
    settings.SECOND_FACTOR = "everyone"


def set_up(client) -> tuple[bytes, object]:
    page = client.get(APP)
    secret = base64.b32decode(re.search(r'id="app-secret">(\w+)<', page.text)[1])
    return secret, ask(client, APP, code=code(secret=secret))


@pytest.mark.parametrize(("policy", "of_ada", "of_olga"), [("optional", False, False), ("staff", False, True), ("everyone", True, True)])
def test_who_must_have_a_factor_is_led_to_set_one_up_and_nowhere_else_before(browser, person, operator, settings, policy, of_ada, of_olga):
    settings.SECOND_FACTOR = policy
    for name, led in (("ada", of_ada), ("olga", of_olga)):
        client = browser()
        answer = ask(client, SIGN_IN, username=name, password=PASSWORD, next="/uploads/")
        assert answer["Location"] == (APP if led else "/uploads/") and is_in(client) is not led
        if not led:
            continue
        for path in {*INSIDE} - {APP}:
            assert client.get(path).status_code in (302, 401), path
        assert ask(client, CODES).status_code == ask(client, SECOND, code="123456").status_code == 302
        assert "Once this is done" in client.get(APP).text and not is_in(client)
        _, done = set_up(client)
        assert is_in(client) and 'href="/uploads/"' in done.text and len(re.findall("<li><code>", done.text)) == 10
        assert client.get("/admin/").status_code == (200 if name == "olga" else 302)


def test_who_has_a_factor_does_not_come_past_it_by_setting_up_another(between, guarded, demanded):
    assert between.get(APP)["Location"] == ask(between, APP, code=code())["Location"] == SECOND
    fresh = totp.new_secret()
    assert not actions.add_app(guarded, fresh, code(secret=fresh), who=COMMAND, may_replace=False)  # nor where two do so at once
    assert actions.use_code(guarded, code(), who=COMMAND) == "totp"


def test_a_session_of_before_ends_when_a_factor_comes_to_be_demanded_and_one_with_a_factor_goes_on(browser, person, settings):
    without, with_one, key = browser(), browser(), api_keys.create(person, label="", who=COMMAND)[1]
    ask(without, SIGN_IN, username="ada", password=PASSWORD)
    ask(with_one, SIGN_IN, username="ada", password=PASSWORD)
    set_up(with_one)
    assert is_in(without) and is_in(with_one)
    settings.SECOND_FACTOR = "staff"
    assert is_in(without)
    settings.SECOND_FACTOR = "everyone"
    assert not is_in(without) and without.get("/uploads/").status_code == 302 and is_in(with_one)
    assert browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_last_factor_stays_where_one_is_demanded(browser, guarded, demanded):
    client = browser()
    ask(client, SIGN_IN, username="ada", password=PASSWORD)
    ask(client, SECOND, code=code())
    assert "cannot be without one" in client.get(FACTORS).text and "Remove the app" not in client.get(FACTORS).text
    assert ask(client, REMOVE).status_code == 302 and Totp.objects.exists()


@pytest.mark.parametrize("said", ["", "all", "Everyone", "no"])
def test_what_second_factor_says_is_known_or_nothing_starts(settings, said):
    settings.SECOND_FACTOR = said
    assert [one.id for one in run_checks() if one.id.startswith("web.")] == ["web.E017"]
    settings.SECOND_FACTOR = "staff"
    assert not [one.id for one in run_checks() if one.id.startswith("web.")]


def test_who_lost_everything_gets_in_by_the_password_again_and_is_signed_out_everywhere(between, browser, guarded):
    ask(between, SECOND, code=code())
    actions.make_recovery_codes(guarded, who=COMMAND)
    half = browser()
    ask(half, SIGN_IN, username="ada", password=PASSWORD)
    said = io.StringIO()
    call_command("take_factors_away", "ada", stdout=said)
    assert said.getvalue() == "ada: totp, recovery_codes. Signed out everywhere.\n"
    assert not is_in(between) and not Totp.objects.exists() and not RecoveryCode.objects.exists()
    told = AuditEvent.objects.filter(action="factor_removed").get()
    assert (told.person, told.actor, told.fields) == (guarded, None, ["totp", "recovery_codes"])
    assert AuditEvent.objects.filter(action="session_ended", person=guarded, actor=None).count() == 1
    assert ask(half, SECOND, code=code(1))["Location"].startswith(SIGN_IN) and not is_in(half)
    assert ask(half, SIGN_IN, username="ada", password=PASSWORD)["Location"] == "/" and is_in(half)
    with pytest.raises(CommandError, match="no user of that name"):
        call_command("take_factors_away", "nobody")


def test_a_new_line_of_secret_key_ends_nothing_and_once_resealed_the_older_one_can_go(between, browser, guarded, settings):
    ask(between, SECOND, code=code())
    unused, before = browser(guarded), Totp.objects.get().sealed
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 43, [settings.SECRET_KEY]
    assert is_in(between)
    other = browser()
    ask(other, SIGN_IN, username="ada", password=PASSWORD)
    assert ask(other, SECOND, code=code(1)).status_code == 302 and is_in(other)
    said = io.StringIO()
    call_command("reseal_secrets", stdout=said)
    assert said.getvalue() == "Sealed anew: 1.\n" and Totp.objects.get().sealed != before
    settings.SECRET_KEY_FALLBACKS = []
    assert is_in(between) and is_in(other) and not is_in(unused)  # what was used in between is under the new line
    clock.now += 10 * totp.STEP
    assert actions.use_code(guarded, code(), who=COMMAND) == "totp"


def test_what_opens_under_no_line_is_counted_and_left_as_it_is(guarded, stranger, settings):
    Totp.objects.create(person=stranger, sealed=sealing.seal(SECRET, "somebody else"), last_step=0)
    lost = Totp.objects.get(person=stranger).sealed
    with pytest.raises(CommandError, match="1 open under no line of SECRET_KEY"):
        call_command("reseal_secrets", stdout=io.StringIO())
    assert Totp.objects.get(person=stranger).sealed == lost
    assert actions.use_code(guarded, code(), who=COMMAND) == "totp"


def test_an_operator_sees_what_somebody_has_set_up_and_nothing_of_it(browser, operator, guarded):
    actions.make_recovery_codes(guarded, who=COMMAND)
    page = just_signed_in(browser(operator)).get(f"/admin/accounts/user/{guarded.pk}/change/").text
    assert "app: yes, passkeys: 0, recovery codes: 10" in page
    assert Totp.objects.get().sealed not in page and totp.spelled(SECRET) not in page


def test_an_empty_form_counts_as_no_try(between):
    assert ask(between, SECOND).status_code == 400 and not SignInTries.objects.filter(count__gt=0).exists()


def test_the_second_step_without_a_first_leads_to_the_first(browser):
    answer = browser().get(SECOND)
    assert answer.status_code == 302 and answer["Location"].startswith(SIGN_IN)


def test_signing_in_again_asks_for_the_factor_again_and_keeps_the_session_until_then(between, guarded):
    assert ask(between, SECOND, code=code()).status_code == 302
    assert ask(between, SIGN_IN, username="ada", password=PASSWORD)["Location"] == SECOND
    before = between.session.session_key
    assert is_in(between)
    assert ask(between, SECOND, code=code(1)).status_code == 302
    assert is_in(between) and between.session.session_key != before
    assert isinstance(between.session, SessionBase) and Session.objects.filter(person=guarded).count() == 1
