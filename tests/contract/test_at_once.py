"""Web_app asks no more in one question than the services tier answers."""

import re

import pytest

from dev.paths import ROOT


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        (("web_app/grants/reconcile.py", "AT_ONCE"), ("services_app/internal/views.py", "GRANTS")),
        (("web_app/grants/revoking.py", "AT_ONCE"), ("services_app/internal/revocations.py", "AT_ONCE")),
    ],
)
def test_both_tiers_agree_on_how_many_go_into_one_question(asks, answers):
    def number(file, name):
        (found,) = re.findall(rf"^{name} = (\d+)", (ROOT / file).read_text(), re.MULTILINE)
        return int(found)

    assert 1 < number(*asks) <= number(*answers)


def test_as_many_as_go_into_one_question_fit_into_a_request_line():
    config = (ROOT / "services_app/gunicorn.conf.py").read_text()
    (bound,) = map(int, re.findall(r"^limit_request_line = (\d+)", config, re.MULTILINE))
    for file, path, more in (
        ("web_app/grants/reconcile.py", "grants?ids=", len("%2C") + 36),
        ("web_app/grants/revoking.py", "revocations?until=12345678901", len("&browser=") + 43),
    ):
        (many,) = map(int, re.findall(r"^AT_ONCE = (\d+)", (ROOT / file).read_text(), re.MULTILINE))
        assert len(f"PUT /internal/v1/{path} HTTP/1.1") + many * more < bound, file
