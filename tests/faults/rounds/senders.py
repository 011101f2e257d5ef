"""A client that comes again until its file is stored, and remembers every promise that it was given."""

import collections
import http.client
import itertools
import socket
import struct
import threading
import time

from dev import environments
from dev.client import Client, Refused, Reply
from tests.faults.rounds.plan import Sending
from tests.tokens import mint
from web_app.receipts.verify import Receipt, ReceiptError, ReceiptVerifier

PATIENCE = 90.0  # seconds, from the first request to the receipt: longer than any fault here lasts
_PAUSE = 0.1  # seconds before it comes again
_TUS = {"Tus-Resumable": "1.0.0"}
_APPEND = {
    "tus": {**_TUS, "Content-Type": "application/offset+octet-stream"},
    "ietf": {"Content-Type": "application/partial-upload"},
}
_FOR_NOW = (409, 423, 429, 503, 507)  # come again, after a look at how far it is
_ALIVE = ("receiving", "waiting", "committing", "committed")


class Cut(Exception):
    """The sender closes its connection here."""


class _Wire(Client):
    """Its connections end with RST where they are closed early, as those of a client that was killed with bytes unread."""

    def connect(self) -> socket.socket:
        plain = super().connect()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return plain


class Sender(threading.Thread):
    """Sends one file. What may be asked of it at any time:

    `upload_id`, `acknowledged` (bytes that it was told are safe), `receipt` (text) and `told` (what that says), `saw` (how often each
    status, "cut off" for a connection that broke), `complaints` (what no honest store would have told it), `holds`, `ended`.
    `by_web`: web_app is asked for the token, and is handed the receipt.
    """

    def __init__(self, stack, sending: Sending, struck: threading.Event, *, by_web: bool = False):
        super().__init__(daemon=True)
        self.sending, self.by_web = sending, by_web
        self.upload_id: str | None = None
        self.acknowledged = 0
        self.receipt: str | None = None
        self.told: Receipt | None = None
        self.saw, self.complaints = collections.Counter(), []
        self.holds, self.ended = threading.Event(), threading.Event()
        self._struck, self._cuts = struck, list(sending.cuts)
        self._wire = _Wire(stack.edge_port, stack.keys.edge_ca, stack.api_key)
        self._verifier = ReceiptVerifier.from_file(stack.keys.receipt_public, environments.RECEIPT_ISSUER)
        self._collection = stack.collection
        self._token = None if by_web else mint(stack)
        self._created = self._unsure = self._handed_in = False
        self._method = ""

    def run(self) -> None:
        until = time.monotonic() + PATIENCE
        try:
            while not self._is_done():
                if time.monotonic() > until:
                    self.complaints.append(f"not stored within {PATIENCE:.0f} s")
                    return
                try:
                    self._step()
                except Cut:
                    self._come_again("left")
                except (OSError, http.client.HTTPException, Refused):
                    self._come_again("cut off")
        except Exception as exc:  # noqa: BLE001  an answer that could not be understood
            self.complaints.append(f"an answer that made no sense: {type(exc).__name__}")
        finally:
            self.ended.set()
            self.holds.set()

    def _is_done(self) -> bool:
        return self.told is not None and (self._handed_in or not self.by_web)

    def _step(self) -> None:
        if self._token is None:
            self._token = self._wire.new_grant(self._collection)["token"]
        elif self.told is not None:
            self._wire.hand_in(self.receipt)
            self._handed_in = True
        elif self._unsure:
            self._ask()
        elif self.upload_id is None:
            self._begin()
        elif self.acknowledged < self.sending.size:
            self._append()
        else:
            self._ask_for_the_receipt()

    # -- requests ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        sending = self.sending
        if sending.protocol == "put":
            reply = self._send("PUT", "/u", {}, 0, sending.size)
        else:
            end = sending.ends[0] if sending.at_once else 0
            reply = self._send("POST", "/u", self._fields(0, end, creates=True), 0, end)
        if reply.status != 201:
            self._is_refused(reply)
        elif sending.protocol == "put" or reply.headers.get_content_type() == "application/json":
            self._is_stored(reply.json())
        else:
            self.upload_id, self._created = reply.headers["Location"].rpartition("/")[2], True
            self._is_told(int(reply.headers["Upload-Offset"] or (end if sending.protocol == "ietf" else 0)))
            self._hold(0)

    def _append(self) -> None:
        begin = self.acknowledged
        end = next(end for end in self.sending.ends if end > begin)
        self._hold(begin)
        reply = self._send("PATCH", f"/u/{self.upload_id}", self._fields(begin, end), begin, end)
        if reply.status == 201:
            self._is_stored(reply.json())
        elif reply.status == 204:
            self._is_told(int(reply.headers["Upload-Offset"]))
        else:
            self._is_refused(reply)

    def _fields(self, begin: int, end: int, creates: bool = False) -> dict:
        sending = self.sending
        if sending.protocol == "ietf":
            fields = {"Upload-Complete": "?1" if end == sending.size else "?0"}
            if creates:
                return {**fields, "Upload-Length": sending.size}
            return {**fields, **_APPEND["ietf"], "Upload-Offset": begin}
        if creates:
            return {**(_APPEND["tus"] if end else _TUS), "Upload-Length": sending.size}
        return {**_APPEND["tus"], "Upload-Offset": begin}  # also for the rest of a PUT that was cut off

    def _ask(self) -> None:
        """How far is it?"""
        if self.upload_id is None:
            self._look_for_it()
            return
        reply = self._send("HEAD", f"/u/{self.upload_id}", {} if self.sending.protocol == "ietf" else _TUS)
        if reply.status in (200, 204):
            self._unsure = False
            self._is_told(int(reply.headers["Upload-Offset"]))
        elif reply.status in (404, 410):
            if self._created or self.acknowledged:
                self.complaints.append(f"an upload is gone ({reply.status}) of which {self.acknowledged} bytes were acknowledged")
            self._forget_it()
        else:
            self._is_refused(reply)

    def _look_for_it(self) -> None:
        """The answer that would have named it was lost."""
        reply = self._send("GET", "/u")
        if reply.status != 200:
            self._is_refused(reply)
            return
        self._unsure = False
        found = [upload for upload in reply.json()["uploads"] if upload["state"] in _ALIVE]
        if found and not (self.sending.starts_over and self.sending.protocol == "put" and found[-1]["state"] != "committed"):
            self.upload_id, self._unsure = found[-1]["upload_id"], True

    def _ask_for_the_receipt(self) -> None:
        reply = self._send("GET", "/u")
        if reply.status != 200:
            self._is_refused(reply)
            return
        (upload,) = [one for one in reply.json()["uploads"] if one["upload_id"] == self.upload_id]
        if upload["state"] == "committed":
            self._is_stored(upload)
        elif upload["state"] in _ALIVE:
            self._come_again("not yet")
        else:
            self.complaints.append(f"all was acknowledged, and its upload is {upload['state']}")
            self._forget_it()

    # -- what it was told ----------------------------------------------------------------------------------------------

    def _is_told(self, offset: int) -> None:
        if offset < self.acknowledged:
            self.complaints.append(f"{self.acknowledged} bytes were acknowledged, and then {offset}")
        elif offset > self.sending.size:
            self.complaints.append(f"{offset} bytes were acknowledged of {self.sending.size}")
        self.acknowledged = min(offset, self.sending.size)

    def _is_stored(self, document: dict) -> None:
        try:
            self.told, self.receipt = self._verifier.verify(document["receipt"]), document["receipt"]
        except ReceiptError as exc:
            self.complaints.append(f"a receipt that is not genuine: {exc.code}")
            return
        self.upload_id, self.acknowledged = self.told.upload_id, self.sending.size

    def _is_refused(self, reply: Reply) -> None:
        if reply.status not in _FOR_NOW:
            self.complaints.append(f"{self._method} was answered {reply.status} {_code(reply)}".strip())
        elif reply.status == 503 and not int(reply.headers["Retry-After"] or 0):
            self.complaints.append(f"{self._method} was answered 503 {_code(reply)} without Retry-After")
        self._come_again()

    def _come_again(self, why: str = "") -> None:
        if why:
            self.saw[why] += 1
        self._unsure = True
        time.sleep(_PAUSE)

    def _forget_it(self) -> None:
        self.upload_id, self.acknowledged, self._created, self._unsure = None, 0, False, False

    # -- the wire ------------------------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, fields: dict | None = None, begin: int = 0, end: int = 0) -> Reply:
        fields = {"Authorization": f"Bearer {self._token}", **(fields or {})}
        self._method = method
        reply = self._wire.send(method, path, self._body(begin, end), end - begin, fields)
        self.saw[str(reply.status)] += 1
        return reply

    def _body(self, begin: int, end: int):
        """From offset to offset; it holds or breaks off where that is planned."""
        hold = self.sending.hold
        stops = sorted({begin, end, *(stop for stop in (hold, *self._cuts) if stop is not None and begin < stop < end)})
        for start, stop in itertools.pairwise(stops):
            if start > begin or self.sending.protocol == "put":
                self._hold(start)
            if start in self._cuts:
                self._cuts.remove(start)
                raise Cut
            yield self.sending.content[start:stop]

    def _hold(self, offset: int) -> None:
        if offset == self.sending.hold and not self.holds.is_set():
            self.holds.set()
            self._struck.wait(PATIENCE)


def _code(reply: Reply) -> str:
    if reply.headers.get_content_type() != "application/problem+json" or not reply.body:
        return ""
    return str(reply.json().get("code", ""))
