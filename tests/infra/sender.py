"""One sender's upload through a deployment: curl, without a single retry of its own.

Patient senders, for what nobody bears without (a reboot), do what docs/upload-api.md asks of them, "After a lost answer": they ask, and
go on from where the upload stands.
"""

import hashlib
import json
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.load import Load

PIECE = 65536  # bytes a second of a slow one; one append of tus
FAST = 24 * PIECE
PATIENCE = 180  # seconds that a patient sender waits for an answer
SAVED = 6  # pieces of a slow one after which some of it has been saved (every five seconds)
TUS = ("--header", "Tus-Resumable: 1.0.0")


class Failed(Exception):
    """An upload that did not go through; says where."""


class Upload:
    """Has a token of its own; then one of the four kinds. Raises Failed."""

    def __init__(self, load: "Load", address: str | None):
        self.load, self.edge = load, load.edge
        self.curl = ["curl", "-q", "--silent", "--max-time", "1200", "--cacert", str(self.edge.ca), *self.edge.resolve]
        self.curl += ["--interface", address] if address else []
        self.curl += ["--output", "/dev/stderr", "--write-out", "%{http_code} %header{location} %header{upload-offset}"]
        self.digest, self.sent = hashlib.sha256(), 0
        deadline = time.monotonic() + PATIENCE
        while not self._answered(answer := self._api({"collection": "demo"})) and time.monotonic() < deadline:
            time.sleep(1)
        status, grant = answer
        if status != 201:
            raise Failed(f"no token: {status} {grant.get('code')}")
        self.auth = ("--header", f"Authorization: Bearer {grant['token']}")

    def put_fast(self) -> None:
        self.digest.update(self.load.content)
        answer = self._ask("PUT", "/u", *self._named(), "--upload-file", str(self.load.file))
        self._stored(answer if self._answered(answer) else self._gone_on_with(self.load.content))

    def put_slow(self) -> None:
        """A body of unknown length that goes on until the end."""
        command = [*self.curl, *self.auth, *self._named(), "--upload-file", "-", self.edge.url + "/u"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                while not self.load.ending.wait(self.load.pace):
                    self._next(process.stdin)
                self._next(process.stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass
            said, body = process.stdout.read().decode(), process.stderr.read().decode()
        self._count("PUT slow", int(said.split()[0]))
        answer = (int(said.split()[0]), body, "", "")
        self._stored(answer if self._answered(answer) else self._gone_on_with(self.load.content[:PIECE] * (self.sent // PIECE)))

    def tus_fast(self) -> None:
        where = self._create(FAST)
        for start in range(0, FAST, FAST // 4):
            self._append(where, self.load.content[start : start + FAST // 4])
        self._receipt(where)

    def tus_slow(self) -> None:
        """Appends of one piece a second until the end, then the rest in one."""
        where, content = self._create(FAST * 8), self.load.content
        while not self.load.ending.wait(self.load.pace) and self.sent < FAST * 7:
            self._append(where, content[:PIECE])
        while self.sent < FAST * 8:
            self._append(where, content[: min(FAST, FAST * 8 - self.sent)])
        self._receipt(where)

    def _next(self, stream) -> None:
        piece = self.load.content[:PIECE]
        self._sent(piece)
        stream.write(piece)
        stream.flush()

    def _create(self, length: int) -> str:
        fields = ("--header", f"Upload-Length: {length}", "--header", "Upload-Metadata: filename c2Nhbi5iaW4=")
        status, body, location, _ = self._asked("POST", "/u", *TUS, *fields)
        if status != 201:
            raise Failed(f"creation: {status} {body[:200]}")
        return location

    def _append(self, where: str, content: bytes) -> None:
        fields = ("--header", f"Upload-Offset: {self.sent}", "--header", "Content-Type: application/offset+octet-stream")
        answer = self._ask("PATCH", where, *TUS, *fields, "--data-binary", "@-", given=content)
        status, body, _, offset = answer
        if not self._answered(answer):
            self._mended("tus")
            status, body, _, offset = self._asked("HEAD", where, *TUS, "--head")
            if status == 200 and self.sent <= int(offset) < self.sent + len(content):
                came = int(offset) - self.sent
                self._sent(content[:came])
                return self._append(where, content[came:])
        elif status == 409:
            self._again(f"offset {offset} instead of {self.sent}")
        if status not in (200, 204):
            raise Failed(f"append at {self.sent}: {status} {body[:200]}")
        self._sent(content)
        if int(offset) != self.sent:
            self._again(f"offset {offset} after {self.sent} bytes")

    def _gone_on_with(self, content: bytes) -> tuple:
        """After a PUT whose answer never came. An upload of which nothing is there any more is one that starts again."""
        self._mended("PUT")
        body = self._asked("GET", "/u")[1]
        grant = json.loads(body)
        if grant["state"] == "unused" and not grant["uploads"]:  # it was told at the door, and begins now
            time.sleep(1)
            answer = self._ask("PUT", "/u", *self._named(), "--upload-file", "-", given=content)
            return answer if self._answered(answer) else self._gone_on_with(content)
        uploads = [one for one in grant["uploads"] if one["state"] != "aborted"]
        if uploads and uploads[-1]["state"] == "committed":
            return 201, body, "", ""
        if not uploads:
            self._again(f"a PUT of which nothing was kept of {len(content)} bytes: {body[:300]}")
            raise Failed("nothing was kept")
        where = f"/u/{uploads[-1]['upload_id']}"
        draft = ("--header", "Content-Type: application/partial-upload", "--header", "Upload-Complete: ?1")
        for _ in range(PATIENCE):
            offset = self._asked("HEAD", where, "--head")[3]
            if offset == "0" and self.sent > SAVED * PIECE:
                self._again(f"a PUT of which nothing was kept of {self.sent} bytes")
            rest = ("--header", f"Upload-Offset: {offset}", "--data-binary", "@-")
            answer = self._ask("PATCH", where, *draft, *rest, given=content[int(offset) :])
            if self._answered(answer):
                return answer
            time.sleep(1)
        raise Failed(f"not gone on with: {answer}")

    def _sent(self, content: bytes) -> None:
        self.sent += len(content)
        self.digest.update(content)

    def _again(self, why: str) -> None:
        with self.load.lock:
            self.load.tally.again.append(why)

    def _mended(self, kind: str) -> None:
        with self.load.lock:
            self.load.tally.mended[kind] += 1

    def _answered(self, answer: tuple) -> bool:
        """Whether that is an answer to go by, and not one to go on after. An impatient sender takes any."""
        if not self.load.patient:
            return True
        return 200 <= answer[0] < 500 and answer[0] not in (408, 423, 429) and "body_cut_off" not in str(answer[1])

    def _asked(self, *question: str) -> tuple:
        """`_ask`, by a patient sender again until there is an answer."""
        deadline = time.monotonic() + PATIENCE
        while not self._answered(answer := self._ask(*question)) and time.monotonic() < deadline:
            time.sleep(1)
        return answer

    def _receipt(self, where: str) -> None:
        self._stored(self._asked("GET", where), status=200)

    def _stored(self, answer: tuple, status: int = 201) -> None:
        if answer[0] != status or f'"{self.digest.hexdigest()}"' not in answer[1]:
            raise Failed(f"in the end after {self.sent} bytes: {answer[0]} {answer[1][:200]}")

    def _named(self) -> tuple[str, str]:
        return ("--header", 'Content-Disposition: attachment; filename="load.bin"')

    def _ask(self, method: str, path: str, *options: str, given: bytes | None = None) -> tuple[int, str, str, str]:
        """Status, body, Location and Upload-Offset."""
        begun, url = time.monotonic(), path if path.startswith("https:") else self.edge.url + path
        command = [*self.curl, *self.auth, "--request", method, *options, url]
        done = subprocess.run(
            command,
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        status, location, offset = done.stdout.decode().split(" ")
        self._count(f"{method} {'/u' if method in ('PUT', 'POST') else '/u/…'}", int(status), time.monotonic() - begun)
        return int(status), done.stderr.decode(errors="replace"), location, offset

    def _api(self, body: dict) -> tuple[int, dict]:
        begun = time.monotonic()
        status, answer = self.edge.api("/api/v1/uploads", body)
        self._count("POST /api", status, time.monotonic() - begun)
        return status, answer

    def _count(self, what: str, status: int, seconds: float = 0.0) -> None:
        with self.load.lock:
            self.load.tally.answers[what, status] += 1
            self.load.tally.slowest = max(self.load.tally.slowest, seconds)
