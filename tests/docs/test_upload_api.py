"""docs/upload-api.md lists every verb and every header of the upload resource as nginx and services_app have them."""

import ast
import re

from services_app.uploads.wire import digests
from tests.docs.markdown import ROOT
from web_app.grants import refusals

TEXT = (ROOT / "docs" / "upload-api.md").read_text()
RESOURCE = TEXT[TEXT.index("## Upload resource") :]
HEADERS = TEXT[TEXT.index("### Headers") : TEXT.index("## Problem codes")]

SERVICES = sorted((ROOT / "services_app" / "uploads").rglob("*.py"))
NGINX = ROOT / "nginx"
# All of a client's headers that reach anything are named in these files (nginx/snippets/header-allow-list.conf).
ASKED = ("snippets/to-services*.conf", "conf.d/authorize.conf", "maps/upload-*.conf")

# Read by every HTTP server; the table is of what this resource makes of a request.
PLAIN = {"Host"}
# Between nginx and services_app alone: nginx makes these itself, or takes them out of the answer.
INSIDE = {f"X-Upload-{name}" for name in ("Base", "Method", "Path", "Coding", "Binding", "Retrievals", "Body", "Totals")}


def documented(table: str) -> dict[str, str]:
    """Header → what is said of it, from one of the two tables."""
    part = HEADERS[HEADERS.index(table) :].split("\n\n")[1]
    rows = re.findall(r"^\| `([A-Za-z0-9-]+)` \| (.+) \|$", part, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a header stands there twice"
    return dict(rows)


def as_header(name: str) -> str:
    """http_upload_length, HTTP_UPLOAD_LENGTH → Upload-Length."""
    special = {
        "x_http_method_override": "X-HTTP-Method-Override",
        "content_md5": "Content-MD5",
        "oc_checksum": "OC-Checksum",
        "etag": "ETag",
    }
    return special.get(name.lower(), "-".join(part.capitalize() for part in name.lower().split("_")))


def passed_by_nginx() -> set[str]:
    files = [path for pattern in ASKED for path in NGINX.glob(pattern)]
    return {as_header(name) for path in files for name in re.findall(r"\$http_([a-z0-9_]+)", path.read_text())}


def read_by_services() -> set[str]:
    names = {name for path in SERVICES for name in re.findall(r'"HTTP_([A-Z_]+)"', path.read_text())}
    return {as_header(name) for name in names} | {field.name for field in digests.TABLE}


def of_requests() -> set[str]:
    return set(documented("Of requests")) | set(documented("Digests are read"))


def test_every_request_header_that_nginx_lets_through_is_documented_and_no_other():
    assert of_requests() == passed_by_nginx() - PLAIN


def test_every_digest_is_documented_as_the_table_in_the_code_has_it():
    written = {name: [cell.strip() for cell in rest.split("|")] for name, rest in documented("Digests are read").items()}
    for field in digests.TABLE:
        names = [f"`{name}`" for name, ours in field.algorithms.items() if ours and not name.startswith("id-")]
        of = {"CONTENT": "this body", "REQUEST": "this body", "FILE": "the file", "PATCHED": "all after this append"}
        said_of, algorithms, _ = written.pop(field.name)
        assert (said_of, algorithms) == (of[field.over.name], ", ".join(names) or "none"), field.name
    assert written.keys() == {*dict(digests._TRAILERS), digests._S3_ALGORITHM}


def test_every_request_header_that_services_app_reads_is_documented():
    read = read_by_services()
    assert {"Upload-Offset", "Upload-Checksum", "Repr-Digest"} <= read
    # X-Upload-Length is how nginx asks about Content-Length.
    assert read - INSIDE - {"X-Upload-Length"} <= of_requests()


def written_by_services() -> set[str]:
    """String keys of dictionaries and of assignments that look like a header's name."""
    found = set()
    for path in SERVICES:
        for node in ast.walk(ast.parse(path.read_text())):
            keys = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
            found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return {name for name in found if re.fullmatch(r"[A-Z][a-z]*(-[A-Z][a-z]+)+|Location|Allow", name)}


def in_nginx(directive: str) -> dict[str, str]:
    lines = (NGINX / "snippets" / "response-headers.conf").read_text()
    return dict(re.findall(rf"^{directive} ([A-Za-z-]+)(.*);", lines, re.MULTILINE))


def test_every_header_of_an_answer_is_documented_and_no_other():
    hidden = set(in_nginx("proxy_hide_header"))
    # What is the same in every answer is no news to a client: HSTS, CSP and the like have a fixed value.
    varying = {name for name, value in in_nginx("add_header").items() if value.strip().startswith("$")}
    written = written_by_services()
    assert {"Upload-Offset", "Tus-Version", "Location", "X-Upload-Id"} <= written
    assert set(documented("Of answers")) == (written - hidden) | varying | {"Content-Type"}


def verbs() -> dict[str, set[str]]:
    """The tuples of services_app/uploads/questions.py, from which `Allow` is made."""
    tree = ast.parse((ROOT / "services_app" / "uploads" / "questions.py").read_text())
    found = {
        node.targets[0].id: set(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    }
    return {
        "/u/<token>": found["COLLECTION"],
        "/u/<token>/<upload_id>": found["ONE_UPLOAD"],
        "/u/<token>/check": found["CHECK"],
        "/u/names": found["NAMES"],
    }


def test_every_verb_is_documented_and_no_other():
    said = {path: set() for path in verbs()}
    for verb, path in re.findall(r"^\| `([A-Z]+) (/u/[^`]+)`", RESOURCE, re.MULTILINE):
        said[path].add(verb)
    assert said == verbs()


def test_each_refusal_that_a_list_of_uploads_tells_is_one_that_is_documented():
    assert [code for code in refusals.WORDS if f"| `{code}` |" not in TEXT] == []
