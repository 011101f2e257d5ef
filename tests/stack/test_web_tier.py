"""No file byte, file name or token rests on the web tier (invariants 1 and 6), shown on the whole stack.

tests/nginx asks the same of nginx alone, with every odd request. Each proof of absence here has its positive control.
"""

import base64
import json
import os
from pathlib import Path

from dev.client import Client
from dev.stack import Stack
from tests.curl import bearer, curl
from tests.nginx.rig import TREE, altered
from tests.nginx.spill import Watch
from tests.tokens import expired, mint, mint_names
from tests.waiting import wait_for

MIB = 1 << 20
BUFFERED = {"snippets/unbuffered.conf": ("proxy_request_buffering off;", "proxy_request_buffering on;")}
LOUD = {"snippets/quiet-errors.conf": ("error_log logs/error.log emerg;", "error_log logs/error.log info;")}
NAME = "Zebrafink-Okapi-7731.dcm"
COOKIE = "k" * 43
MARKER = b"canary-body-marker-5c1f0a9e"


def web_tier(stack) -> list[int]:
    return [pid for name in ("nginx", "web_app") for pid in stack.pids(name)]


def test_during_300_mib_no_process_of_the_web_tier_writes_to_a_file(stack, big_file, tmp_path):
    token = mint(stack)
    with Watch(web_tier(stack), tmp_path) as watch:
        assert curl(stack, f"/u/{token}", "-T", str(big_file)).status == 201
    assert watch.report.nothing(), watch.report


def test_small_bodies_are_collected_without_a_file_too(stack, tmp_path):
    """Up to the very limit, in one piece and in chunks, and one byte more."""
    form = ("-H", "Content-Type: application/x-www-form-urlencoded")
    first = ("-H", "Upload-Length: 300000", "-H", "Content-Type: application/octet-stream", *bearer(mint(stack)))
    places = [("/accounts/login/", form, 16 << 10, 403), ("/u/check", first, 64 << 10, 204)]
    with Watch(web_tier(stack), tmp_path) as watch:
        for path, headers, limit, taken in places:
            for framing in ((), ("-H", "Transfer-Encoding: chunked")):
                for size, status in ((limit, taken), (limit + 1, 413)):
                    answer = curl(stack, path, *headers, *framing, "--data-binary", "@-", stdin=bytes(size))
                    assert answer.status == status, (path, framing, size, answer)
    assert watch.report.nothing(), watch.report


def test_a_list_of_names_passes_without_a_file(stack, api, tmp_path):
    """nginx holds the answer in its memory."""
    grant = api.new_grant(stack.collection)
    name = "ä" * 90 + ".bin"
    body = b"a small file"
    receipt = api.put(grant["token"], body, name=name).json()["receipt"]
    said = json.loads(base64.urlsafe_b64decode(receipt.split(".")[1] + "=="))
    header = {"Cookie": f"__Host-sluice-binding={COOKIE}"}
    token = mint_names(stack, COOKIE, sub=said["sub"], uploads=[said["upload_id"]])
    with Watch(web_tier(stack), tmp_path) as watch:
        for _ in range(20):
            told = api.send("GET", "/u/names", [], 0, {"Authorization": f"Bearer {token}", **header})
            assert told.json()["uploads"][0]["name"] == name
    assert watch.report.nothing(), watch.report


def test_control_with_buffering_on_the_try_is_caught_and_fails_closed(tmp_path):
    tree = altered(TREE, tmp_path / "tree", BUFFERED)
    with Stack(tmp_path / "stack", nginx_tree=tree) as stack:
        with Watch(web_tier(stack), tmp_path) as watch:
            reply = Client(stack.edge_port, stack.keys.edge_ca).put(mint(stack), bytes(8 * MIB))
        assert (reply.status, reply.json()["code"]) == (500, "internal_error")
        assert list(stack.nas.glob("collections/*/*")) == []
    assert watch.report.tries and all("ENOTDIR" in line for line in watch.report.tries)
    assert watch.report.written == 0


def found_in(folders: list[Path], needle: bytes) -> list[str]:
    """The files that hold `needle` in their content or name."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if needle in path.read_bytes() or needle in os.fsencode(path.name)]


def places(stack) -> tuple[list[Path], list[Path]]:
    """Everything that the web tier keeps, and everything that the services tier keeps."""
    web = [stack.web_state, stack.prefix, stack.state / "logs-of-web"]
    web[-1].mkdir(exist_ok=True)
    for name in ("nginx", "web_app"):
        (web[-1] / f"{name}.log").write_bytes(stack.log(name).read_bytes())
    return web, [stack.nas, stack.services_state]


def leave_traces(stack) -> list[str]:
    """Uploads that go well, and that go wrong in each place that writes logs; the tokens that they used."""
    client = Client(stack.edge_port, stack.keys.edge_ca, stack.api_key)
    grant = client.new_grant(stack.collection)
    tokens = [grant["token"], mint(stack), mint(stack), mint(stack, max_size=5), expired(stack)]
    good, cut, lost, large, old = tokens
    body, named = MARKER * 100_000, {"Content-Disposition": f'attachment; filename="{NAME}"'}
    receipt = client.send("PUT", f"/u/{good}", [body], len(body), named).json()["receipt"]
    client.hand_in(receipt)
    names = ask_for_names(stack, receipt)
    for token in (large, old, good):
        assert client.send("PUT", f"/u/{token}", [body], len(body), named).status >= 400
    assert client.send("PUT", f"/u/{large}/{NAME}", [body], len(body), named).status >= 400
    assert client.call("POST", "/api/v1/uploads", {"collection": stack.collection, "name": NAME}).status == 400
    assert client.call("GET", f"/api/v1/uploads/{NAME}?token={cut}").status == 404
    # A sender that hangs up, and a services tier that is away: nginx has something to complain about.
    try:
        client.send("PUT", f"/u/{cut}", hang_up(body), 2 * len(body), named)
    except ConnectionError:
        pass
    stack.stop_process("uploads")
    assert client.send("PUT", f"/u/{lost}", [body], len(body), named).status == 503
    stack.start_process("uploads")
    return [*tokens, names]


def ask_for_names(stack, receipt: str) -> str:
    """The owner's browser is told the name, as often as it asks, and refused without its cookie; the token that it had."""
    said = json.loads(base64.urlsafe_b64decode(receipt.split(".")[1] + "=="))
    names = mint_names(stack, COOKIE, sub=said["sub"], uploads=[said["upload_id"]])
    client, header = Client(stack.edge_port, stack.keys.edge_ca), {"Authorization": f"Bearer {names}"}
    bound = {**header, "Cookie": f"__Host-sluice-binding={COOKIE}"}
    for _ in range(3):
        told = client.send("GET", "/u/names", [], 0, bound)
        assert told.status == 200 and [each["name"] for each in told.json()["uploads"]] == [NAME]
        assert told.headers["Cache-Control"] == "no-store"
    assert client.send("GET", "/u/names", [], 0, header).json()["code"] == "token_binding"
    for method, target in (
        ("POST", "/u/names"),
        ("GET", f"/u/{names}/names"),
        ("PUT", f"/u/{names}"),
        ("GET", f"/u/{names}"),
    ):
        assert client.send(method, target, [], 0, bound).status >= 400
    return names


def hang_up(body: bytes):
    yield body
    raise ConnectionError("gone")


def test_a_file_name_a_token_and_a_body_marker_are_nowhere_on_the_web_tier(tmp_path):
    with Stack(tmp_path / "stack") as stack:
        tokens = leave_traces(stack)
        web, services = places(stack)
        assert found_in(web, MARKER) == []
        assert found_in(web, NAME.encode()) == []
        for token in tokens:
            # The signature is what makes a token one; it is searched for alone, too.
            assert found_in(web, token.encode()) == found_in(web, token.rpartition(".")[2].encode()) == []
        # Positive control: the same search finds the first two where they belong.
        assert NAME in found_in(services, MARKER)
        wait_for(lambda: {NAME, f"{NAME}.manifest.json"} <= set(found_in(services, NAME.encode())))
        assert found_in(services, tokens[0].encode()) == []


def test_control_without_the_quiet_error_log_the_search_finds_the_token(tmp_path):
    tree = altered(TREE, tmp_path / "tree", LOUD)
    with Stack(tmp_path / "stack", nginx_tree=tree) as stack:
        lost = leave_traces(stack)[2]
        assert "error.log" in found_in(places(stack)[0], lost.encode())
