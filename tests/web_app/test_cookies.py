"""The same allow-list as at the door (tests/nginx/test_cookies.py), for whatever gets past it. ADR 0025."""

import pytest
from django.conf import settings

from web_app.accounts.binding import COOKIE
from web_app.accounts.views import SIGNED_OUT
from web_app.config.middleware import OURS

pytestmark = pytest.mark.django_db

SESSION = settings.SESSION_COOKIE_NAME
IMITATIONS = [
    *(f"{space}__Host-sluice-session={{key}}" for space in ("\u2000", "\u00a0", "\u3000", "\x85", "\x1c", "\t", "  ")),
    *(f"__Host-sluice-session{space}={{key}}" for space in ("\u2000", " ")),
    "__Host-sluice-session={key}",
]
FOREIGN = [
    "_ga=1",
    "a__Host-sluice-session={key}",
    "__Host-other={key}",
    "__host-sluice-session={key}",
    "gr\u00fc\u00dfe=1",
    "novalue",
    "={key}",
]


@pytest.fixture
def two(browser, django_user_model):
    """A client without cookies, and the sessions of two people."""
    client, keys = browser(), []
    for name in ("own", "theirs"):
        client.force_login(django_user_model.objects.create_user(name, password="not used here"))
        keys.append(client.cookies[SESSION].value)
        client.cookies.clear()
    return client, *keys


def whom(client, cookie: str):
    """The answer to a page that only people see, and who saw it. Servers decode headers as latin-1."""
    answer = client.get("/", headers={"cookie": cookie.encode().decode("latin-1")})
    return answer, getattr(getattr(answer, "wsgi_request", None), "user", None)


@pytest.mark.parametrize("line", ["{own}; {other}", "{other}; {own}"])
def test_a_cookie_that_imitates_one_of_ours_makes_nobody_somebody_else(two, line):
    client, own, theirs = two
    for imitation in IMITATIONS:
        answer, _ = whom(client, line.format(own=f"{SESSION}={own}", other=imitation.format(key=theirs)))
        assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed"), ascii(imitation)
        assert "cookie" in answer.json()["detail"]


@pytest.mark.parametrize("line", ["{own}; {other}", "{other}; {own}"])
def test_cookies_of_others_are_not_there(two, line):
    client, own, theirs = two
    for foreign in FOREIGN:
        answer, user = whom(client, line.format(own=f"{SESSION}={own}", other=foreign.format(key=theirs)))
        assert (answer.status_code, user.username) == (200, "own"), ascii(foreign)
        assert answer.wsgi_request.COOKIES == {SESSION: own}
        assert answer.wsgi_request.META["HTTP_COOKIE"] == f"{SESSION}={own}"


def test_every_cookie_of_ours_bears_a_name_of_the_list():
    assert all(OURS.fullmatch(name) for name in (SESSION, settings.CSRF_COOKIE_NAME, COOKIE, SIGNED_OUT))
    assert settings.MESSAGE_STORAGE.endswith("SessionStorage"), "the others would set a cookie that siblings may set too"
