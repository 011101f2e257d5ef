"""What a request says of its text makes neither tier look for it, nor remember it for ever."""

import pytest

from tests.curl import bearer, curl
from tests.tokens import mint


@pytest.mark.parametrize("said", ["text/plain; charset=hex", "text/plain; charset=nobody-knows-it", "text/plain; name*=none'x'%41"])
def test_a_charset_that_is_none_is_nobodys_business(own, said):
    kind = ("--header", f"Content-Type: {said}")
    assert curl(own, "/accounts/login/?next=%2F", *kind).status == 200
    sent = ("--request", "PUT", "--data-binary", "@-", *kind, *bearer(mint(own, sub="greedy")))
    assert curl(own, "/u", *sent, stdin=b"a file").status == 201
