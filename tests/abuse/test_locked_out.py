"""Strangers guess at an account from many addresses; its owner comes from one that nobody else used, and has the right password."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.abuse.conftest import ELSEWHERE
from tests.curl import curl

SIGN_IN, NAME, PASSWORD = "/accounts/login/", "owner", "the passphrase of an owner"
ADDRESSES, EACH = [f"127.0.1.{number}" for number in range(1, 21)], 5


def sign_in(stack, page, address: str, password: str, name: str = NAME):
    cookie, token = page
    fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
    data = [option for name, value in fields.items() for option in ("--data-urlencode", f"{name}={value}")]
    headers = ("--header", f"Cookie: {cookie}", "--header", f"Origin: {stack.url}")
    return curl(stack, SIGN_IN, "--interface", address, *headers, *data)


def heard(*how):
    """Signs in until the answer is another one than that it is busy, which counts as no try."""
    for _ in range(30):
        if (answer := sign_in(*how)).status != 503:
            break
    return answer


def form(stack, address: str) -> tuple[str, str]:
    """The cookie and the hidden field of a page."""
    answer = curl(stack, SIGN_IN, "--interface", address)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', answer.body)[1].decode()
    return answer.headers["set-cookie"].partition(";")[0], token


def test_guessing_from_twenty_addresses_does_not_shut_the_owner_out(own, bystander):
    user = {"DJANGO_SUPERUSER_USERNAME": NAME, "DJANGO_SUPERUSER_EMAIL": "x@example.org"}
    own.manage("web_app", "createsuperuser", "--noinput", env=user | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD})
    page = form(own, ADDRESSES[0])
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(heard, own, page, address, "wrong") for address in ADDRESSES for _ in range(EACH)]
        assert {each.result().status for each in tries} == {200}  # each was heard, and none was right
    assert bystander.uploads()
    signed_in = heard(own, form(own, ELSEWHERE), ELSEWHERE, PASSWORD)
    assert (signed_in.status, signed_in.headers["location"]) == (302, "/")
