"""One upload, whatever happens to it in whatever order: its offset never goes down, and in the end the file is what was sent.

Hypothesis draws the order: appends at right and wrong offsets, by both protocols; requests that hang, are cut off or taken
over; a PUT of the whole again; renewed tokens; the uploads process killed and started again.
"""

import contextlib
import hashlib
import json
import os
import random
import socket
import ssl
import struct

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from dev.client import Client
from tests.tokens import mint, uuid7
from tests.waiting import wait_for

SIZE = 400_000
BUDGET = settings(
    max_examples=12,
    stateful_step_count=22,
    derandomize=bool(os.environ.get("CI")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
COUNTS = st.one_of(st.sampled_from((0, 1, 70_000)), st.integers(0, SIZE // 3))
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
DRAFT = {"Content-Type": "application/partial-upload"}
PROTOCOLS = st.sampled_from(("tus", "draft"))


def test_in_any_order_no_byte_is_lost_mixed_or_promised_in_vain(own):
    class OfThisStack(AnyOrder):
        stack = own

    run_state_machine_as_test(OfThisStack, settings=BUDGET)


class AnyOrder(RuleBasedStateMachine):
    """`promised` is the highest offset that anybody was told; `sent` is how far bytes were ever sent."""

    stack = None

    def __init__(self):
        super().__init__()
        self.edge = Client(self.stack.edge_port, self.stack.keys.edge_ca)
        self.context = ssl.create_default_context(cafile=self.stack.keys.edge_ca)
        self.grant = str(uuid7())
        self.first_token = self.token = mint(self.stack, jti=self.grant)
        self.content = random.Random(0).randbytes(SIZE)
        self.upload = self.began_as = None
        self.earlier = []
        self.promised = self.sent = 0
        self.hanging, self.over = [], []
        self.is_killed = self.is_stored = False

    # -- beginning -----------------------------------------------------------------------------------------

    @initialize(how=st.sampled_from(("tus", "draft", "cut off PUT", "hanging PUT")), count=COUNTS)
    def begin(self, how, count):
        if how.endswith("PUT"):
            self._put(count, hang=how.startswith("hanging"))
            return
        protocol = {"Tus-Resumable": "1.0.0"} if how == "tus" else {"Upload-Complete": "?0"}
        status, fields, body = self._ask("POST", "/u", {**protocol, "Upload-Length": SIZE})
        assert status == 201, body
        self._is_now(fields["Location"].rpartition("/")[2], how)

    @precondition(lambda self: self.token == self.first_token and not self.is_stored)
    @rule(count=COUNTS, hang=st.booleans())
    def put_again(self, count, hang):
        """An upload that waits stands aside for it, and is superseded if anything of it was kept; else it goes on."""
        before = self._settled()
        stood = self.upload, self.began_as, self.promised, self.sent
        self._put(count, hang=hang)
        assert before != self.upload
        if hang:
            assert self._head(before, once=True)[0] == 423
        status, told, _ = self._head(self.upload)
        if status == 200:
            self._is_told(int(told["Upload-Offset"]))
            assert self._head(before, once=True)[0] == 410
        else:
            assert status == 410
            self.earlier[-1] = self.upload
            self.upload, self.began_as, self.promised, self.sent = stood
            assert self._settled() == before

    # -- going on ------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_stored)
    @rule(count=COUNTS, protocol=PROTOCOLS)
    def append(self, count, protocol):
        self._append(self.promised, count, protocol)

    @precondition(lambda self: not self.is_stored)
    @rule(shift=st.sampled_from((-1, 1, -70_000, 70_000)), count=COUNTS, protocol=PROTOCOLS)
    def append_elsewhere(self, shift, count, protocol):
        self._append(min(max(0, self.promised + shift), SIZE), count, protocol)

    @precondition(lambda self: not self.is_stored and len(self.hanging) < 4)
    @rule(count=COUNTS, protocol=PROTOCOLS)
    def begin_to_append_and_hang(self, count, protocol):
        self._settled()  # or nobody could tell which of two requests is the one that is received
        count = min(count, SIZE - self.promised - 1)
        if count < 0 or self.is_stored:
            return
        fields = self._append_fields(self.promised, protocol, final=True)
        wire = self._begin("PATCH", f"/u/{self.upload}", SIZE - self.promised, fields)
        wire.sendall(self.content[self.promised : self.promised + count])
        self.sent = max(self.sent, self.promised + count)
        self.hanging.append(wire)
        wait_for(lambda: self._state()["state"] == "receiving", 10)

    @precondition(lambda self: self.hanging)
    @rule()
    def cut_off(self):
        wire = self.hanging.pop(0)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    @precondition(lambda self: self.over)
    @rule()
    def rubbish_from_one_that_was_taken_over(self):
        wire = self.over.pop(0)
        with contextlib.suppress(OSError):
            wire.settimeout(1)
            wire.sendall(b"\xff" * 30_000)
        wire.close()

    @precondition(lambda self: not self.is_killed)
    @rule()
    def kill_and_start_again(self):
        self.is_killed = True
        self.stack.kill("uploads")
        self.stack.start_process("uploads")

    @precondition(lambda self: self.upload is not None)
    @rule()
    def renew_the_token(self):
        self.token = mint(self.stack, jti=self.grant, upload_id=self.upload, start_by=1)

    # -- asking --------------------------------------------------------------------------------------------

    @rule()
    def ask_for_the_offset(self):
        self._settled()

    @rule()
    def ask_for_the_state(self):
        """GET disturbs nobody, and what it calls safe is a promise as well."""
        state = self._state()
        assert state["upload_id"] == self.upload
        assert state["state"] in (("committed",) if self.is_stored else ("waiting", "receiving"))
        assert state["offset"] <= state["taken"] <= self.sent
        self._is_told(state["offset"])

    @precondition(lambda self: self.is_stored)
    @rule()
    def send_what_is_stored_again(self):
        if self.token == self.first_token:
            reply = self.edge.put(self.token, self.content)
            assert (reply.status, reply.json()["code"]) == (409, "already_committed")

    @precondition(lambda self: self.earlier)
    @rule(protocol=PROTOCOLS)
    def append_to_one_that_was_superseded(self, protocol):
        fields = self._append_fields(0, protocol, final=False)
        status, _, _ = self._ask("PATCH", f"/u/{self.earlier[-1]}", fields, self.content[:100], token=self.first_token)
        assert status == 410

    # -- the end -------------------------------------------------------------------------------------------

    def teardown(self):
        try:
            if self.upload is not None:
                self._finish()
        finally:
            for wire in self.hanging + self.over:
                wire.close()

    def _finish(self):
        self._settled()
        if not self.is_stored:
            self._append(self.promised, SIZE, "draft" if self.began_as == "draft" else "tus")
        assert self.is_stored
        state = json.loads(self._ask("GET", "/u", {}, token=self.first_token)[2])
        committed = [one for one in state["uploads"] if one["state"] == "committed"]
        assert [one["upload_id"] for one in committed] == [self.upload]
        assert {one["state"] for one in state["uploads"]} <= {"committed", "aborted"}
        assert committed[0]["sha256"] == hashlib.sha256(self.content).hexdigest()
        assert self.stack.stored(self.upload).read_bytes() == self.content
        left = {file.name.partition(".")[0] for file in self.stack.staged()}
        assert not left & {one["upload_id"] for one in state["uploads"]}

    # -- how -----------------------------------------------------------------------------------------------

    def _put(self, count: int, *, hang: bool) -> None:
        count = min(count, SIZE - 1)
        wire = self._begin("PUT", "/u", SIZE, {})
        wire.sendall(self.content[:count])
        newest = wait_for(self._newer_upload, 10)
        self._is_now(newest, "PUT")
        self.sent = count
        self.hanging.append(wire)
        if not hang:
            self.cut_off()

    def _newer_upload(self) -> str | None:
        uploads = json.loads(self._ask("GET", "/u", {}, token=self.first_token)[2])["uploads"]
        newest = uploads[-1]["upload_id"] if uploads else self.upload
        return None if newest in (self.upload, *self.earlier) else newest

    def _is_now(self, upload_id: str, began_as: str) -> None:
        if self.upload is not None:
            self.earlier.append(self.upload)
        self.upload, self.began_as = upload_id, began_as
        self.promised = self.sent = 0

    def _append(self, offset: int, count: int, protocol: str) -> None:
        """Whatever the offset, the bytes are those that belong there: if it is taken it was the right one."""
        piece = self.content[offset : offset + count]
        end = offset + len(piece)
        fields = self._append_fields(offset, protocol, final=end == SIZE)
        before, self.sent = self.sent, max(self.sent, end)
        status, told, body = self._patient("PATCH", f"/u/{self.upload}", fields, piece)
        if status == 409:
            self.sent = before
            assert int(told["Upload-Offset"]) != offset
            self._is_told(int(told["Upload-Offset"]))
            return self._retry(offset, count, protocol)
        assert status in (201, 204), (status, body)
        assert offset >= self.promised and int(told["Upload-Offset"]) == end
        self._is_told(end)
        self.is_stored = self._state()["state"] == "committed"
        assert self.is_stored <= (end == SIZE)
        return None

    def _retry(self, offset: int, count: int, protocol: str) -> None:
        """The end of a run goes on where it was told to; a step of it does not."""
        if count == SIZE:
            assert self.promised > offset
            self._append(self.promised, count, protocol)

    def _append_fields(self, offset: int, protocol: str, *, final: bool) -> dict:
        kind = TUS if protocol == "tus" else {**DRAFT, "Upload-Complete": f"?{int(final)}"}
        return {**kind, "Upload-Offset": offset}

    def _settled(self) -> str:
        """After HEAD nobody is sending any more. Returns the upload's id."""
        status, told, _ = self._head(self.upload)
        assert status == 200, status
        self._is_told(int(told["Upload-Offset"]))
        self.is_stored = told["Upload-Complete"] == "?1"
        return self.upload

    def _head(self, upload: str, *, once: bool = False):
        """Whatever began it: an upload by tus wants its version, and the others do not mind it."""
        return (self._ask if once else self._patient)("HEAD", f"/u/{upload}", {"Tus-Resumable": "1.0.0"})

    def _patient(self, method: str, path: str, fields: dict, body: bytes = b""):
        """As a client does that is told to come back (423). Whatever answers, older requests have been taken over."""
        answers = []

        def answered():
            answers.append(self._ask(method, path, fields, body))
            return answers[-1][0] not in (423, 503)

        wait_for(answered, 30)
        self.over += self.hanging
        self.hanging.clear()
        return answers[-1]

    def _is_told(self, offset: int) -> None:
        assert self.promised <= offset, f"an offset went down from {self.promised} to {offset}"
        assert offset <= self.sent, f"{offset} of {self.sent} bytes that were sent"
        self.promised = offset

    def _state(self) -> dict:
        """As the grant tells it, which disturbs nobody."""
        status, _, body = self._ask("GET", "/u", {})
        assert status == 200, body
        return next(one for one in json.loads(body)["uploads"] if one["upload_id"] == self.upload)

    def _ask(self, method: str, path: str, fields: dict, body: bytes = b"", token: str | None = None):
        """Returns (status, header fields, body)."""
        fields = {"Authorization": f"Bearer {token or self.token}", **{name: str(fields[name]) for name in fields}}
        reply = self.edge.send(method, path, [body] if body else [], len(body), fields)
        return reply.status, reply.headers, reply.body

    def _begin(self, method: str, path: str, length: int, fields: dict) -> ssl.SSLSocket:
        """Send the head of a request."""
        raw = socket.create_connection(("127.0.0.1", self.stack.edge_port), 20)
        wire = self.context.wrap_socket(raw, server_hostname="localhost")
        head = {"Host": "localhost", "Content-Length": length, "Authorization": f"Bearer {self.token}", **fields}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        wire.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return wire
