"""One upload, one id: in what its sender was told, in the access log, in the services tier's log, and in the ledger."""

import json
import sqlite3
from pathlib import Path

from dev.stack import Stack
from tests.curl import curl
from tests.tokens import mint
from tests.waiting import wait_for


def lines_about(path: Path, word: str) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if word in line and line.startswith("{")]


def test_an_upload_has_one_request_id_from_nginx_to_the_ledger(stack: Stack):
    token = mint(stack)
    answer = curl(stack, f"/u/{token}", "--request", "PUT", "--data-binary", "@-", "-H", "Content-Type: text/plain", stdin=b"a,b\n" * 9)
    assert answer.status == 201, answer
    upload_id, request = answer.json()["upload_id"], answer.headers["x-request-id"]
    access = wait_for(lambda: lines_about(stack.prefix / "logs" / "access.json", upload_id))
    assert [line["id"] for line in access] == [request]
    said = wait_for(lambda: lines_about(stack.log("uploads"), upload_id))
    assert {line["request"] for line in said} == {request} and "committed" in {line["message"] for line in said}
    database = sqlite3.connect(f"file:{stack.services_state}/services.sqlite3?mode=ro", uri=True)
    (facts,) = database.execute("SELECT facts FROM ledger_entry WHERE upload_id = ?", (upload_id.replace("-", ""),)).fetchone()
    assert json.loads(facts)["request"] == request
    assert "entries hold" in stack.manage("services_app", "verify_ledger")
