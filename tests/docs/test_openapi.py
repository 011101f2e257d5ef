"""docs/openapi.yaml says which routes, verbs and codes there are, as both tiers and nginx have them."""

import re

import pytest

from dev import openapi
from services_app.uploads import errors
from tests.docs import test_upload_api, test_web_api
from tests.docs.markdown import ROOT

DOCUMENT = openapi.document()
VERBS = ("get", "put", "post", "patch", "delete", "head", "options")
# What nginx says on any path, and on this tier's while it restarts.
AT_THE_DOOR = set(re.findall(r"/\.(?:refuse|problem)/(\w+)", (ROOT / "nginx" / "snippets" / "problem-pages.conf").read_text()))


def described(where: str) -> set[str]:
    """"GET /api/v1/uploads/<id>" for every method of every path that begins so."""
    return {
        f"{verb.upper()} {re.sub('{[^}]+}', '<id>', path)}"
        for path, operations in DOCUMENT["paths"].items()
        for verb in operations.keys() & set(VERBS)
        if path.startswith(where)
    }


def codes(prefix: str) -> dict[int, set[str]]:
    """By status, of the responses whose name begins so."""
    found = {}
    for name, response in DOCUMENT["components"]["responses"].items():
        if name.startswith(prefix):
            said = response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]
            found[said["status"]["const"]] = set(said["code"]["enum"])
            assert name == f"{prefix}{said['status']['const']}"
    return found


def by_status(table: dict[str, int]) -> dict[int, set[str]]:
    return {status: {code for code, its in table.items() if its == status} for status in set(table.values())}


def test_what_is_served_is_made_from_what_is_written():
    assert openapi.TARGET.read_text() == openapi.render(), "run: ./run docs"


def test_every_route_and_method_of_the_web_api_is_described_and_no_other():
    assert described("/api/") == test_web_api.routes()


def test_every_verb_of_the_upload_resource_is_described_and_no_other():
    paths = {path.replace("/<token>", "").replace("<upload_id>", "<id>"): verbs for path, verbs in test_upload_api.verbs().items()}
    assert described("/u") == {f"{verb} {path}" for path, verbs in paths.items() for verb in verbs}


def test_every_code_of_the_web_api_is_described_under_its_status_and_no_other():
    door = {code: errors.table()[code] for code in AT_THE_DOOR}
    wanted = by_status(test_web_api.codes() | door)
    del wanted[405]  # which no operation that is described can answer
    wanted[503].discard("no_answer")  # web.conf says it of web_app in another word
    assert codes("Web") == wanted


def test_every_code_of_the_upload_resource_is_described_under_its_status_and_no_other():
    wanted = by_status(errors.table())
    wanted[503].discard("web_busy")  # of web_app alone
    # As tus has it: another status for this one, and 423 for what passes (services_app/uploads/wire/answers.py).
    wanted[460] = {"checksum_differs"}
    wanted[423] |= wanted[408] | wanted[429] | wanted[503]
    assert codes("Upload") == wanted


@pytest.mark.parametrize("kind", ["responses", "parameters", "schemas", "headers"])
def test_everything_that_is_described_once_is_used(kind):
    text = openapi.SOURCE.read_text()
    assert [name for name in DOCUMENT["components"][kind] if f"#/components/{kind}/{name}" not in text] == []


def test_what_nginx_says_is_allowed_is_what_is_described():
    table = (ROOT / "nginx" / "maps" / "web-allow.conf").read_text().partition("map $request_uri $web_allow {")[2].partition("\n}")[0]
    default = re.search(r'default "([^"]+)"', table)[1]
    lines = re.findall(r'"~([^"]+)"\s+"([^"]+)";', table)
    assert len(lines) == 5 and "POST" in default
    for path, operations in DOCUMENT["paths"].items():
        if path.startswith("/api/"):
            target = path.replace("{grant_id}", "0190a000-0000-7000-8000-000000000000")
            said = next(allow for pattern, allow in lines if re.search(pattern, target))
            verbs = {verb.upper() for verb in operations.keys() & set(VERBS)}
            assert set(said.split(", ")) == verbs | ({"HEAD"} if "GET" in verbs else set()), path
