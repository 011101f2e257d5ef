"""A chunked body, over a real pair of sockets and gunicorn's own reader objects: counted at the byte."""

import os
import socket
import threading
from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import SocketUnreader

from services_app.uploads.errors import BodyCutOff, DeadlinePassed, RequestMalformed, TooSlow
from services_app.uploads.wire import body as module
from services_app.uploads.wire.body import RequestBody
from services_app.uploads.wire.pace import Pace

pytestmark = pytest.mark.django_db  # who waits for a sender gives the thread's connection back

PATIENT = Pace(idle_timeout=5, min_rate=0, window=60, deadline=60)


@pytest.fixture
def wire():
    sender, receiver = socket.socketpair()
    yield sender, receiver
    sender.close()
    receiver.close()


def request(receiver, pace=PATIENT, read_ahead=b""):
    unreader = SocketUnreader(receiver)
    unreader.unread(read_ahead)
    parse = SimpleNamespace(parse_headers=lambda *_, **__: [], trailers=[])
    return RequestBody({"wsgi.input": Body(ChunkedReader(parse, unreader)), "gunicorn.socket": receiver}, None, pace)


def taken(body, size=1 << 16):
    buffer, parts = memoryview(bytearray(size)), []
    while count := body.fill(buffer):
        parts.append(bytes(buffer[:count]))
    return b"".join(parts)


def chunk(content):
    return b"%x\r\n%b\r\n" % (len(content), content)


END = b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 100, 1 << 16, 1 << 20])
def test_chunks_arrive_whole_and_in_order(wire, size):
    sender, receiver = wire
    pieces = [os.urandom(length) for length in (1, 10, 100_000, 3, 70_000)]
    wanted = b"".join(pieces) if size > 1 else b"".join(pieces[:2])
    sent = b"".join(map(chunk, pieces if size > 1 else pieces[:2])) + END
    thread = threading.Thread(target=sender.sendall, args=(sent,))
    thread.start()
    body = request(receiver)
    assert taken(body, size) == wanted and body.received == len(wanted)
    thread.join()


def test_what_came_with_the_headers_comes_first(wire):
    sender, receiver = wire
    sender.sendall(b"c\r\n" + chunk(b"def") + END)
    assert taken(request(receiver, read_ahead=b"3\r\nab")) == b"abcdef"


def test_an_empty_chunked_body_is_empty(wire):
    sender, receiver = wire
    sender.sendall(END)
    assert taken(request(receiver)) == b""


def test_trailers_are_read_over(wire):
    sender, receiver = wire
    sender.sendall(chunk(b"abc") + b"0\r\nX-Later: 1\r\n\r\n")
    assert taken(request(receiver)) == b"abc"


@pytest.mark.parametrize(
    "sent",
    [b"", b"3", b"3\r\n", b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r\n", chunk(b"abc") + b"0\r\n", chunk(b"abc") + b"0"],
)
def test_a_sender_that_hangs_up_before_the_last_chunk_is_cut_off(wire, sent):
    sender, receiver = wire
    sender.sendall(sent)
    sender.close()
    with pytest.raises(BodyCutOff):
        taken(request(receiver))


@pytest.mark.parametrize(
    "sent",
    [
        b"xyz\r\n",
        b"-3\r\nabc\r\n",
        b"\r\n",
        b"3 3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"3;\x00\r\nabc\r\n",
        b"3;a\rb\r\nabc\r\n",
    ],
)
def test_a_chunk_that_makes_no_sense_is_malformed(wire, sent):
    sender, receiver = wire
    sender.sendall(sent + END)
    with pytest.raises(RequestMalformed):
        taken(request(receiver))


def test_a_chunk_longer_than_it_said_is_never_read_as_content(wire):
    sender, receiver = wire
    sender.sendall(b"3\r\nabcdef\r\n" + END)
    with pytest.raises((BodyCutOff, RequestMalformed)):
        taken(request(receiver))


def test_a_sender_that_falls_silent_is_too_slow(wire):
    sender, receiver = wire
    sender.sendall(chunk(b"abc"))
    with pytest.raises(TooSlow):
        taken(request(receiver, Pace(idle_timeout=0.05, min_rate=0, window=60, deadline=60)))


def test_each_piece_is_handed_on_as_it_comes_and_not_a_mebibyte_later(wire, monkeypatch):
    """Else the pace is not looked at and the lease not renewed until a slow sender has sent a whole buffer."""
    sender, receiver = wire
    now = iter(range(1000, 2000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    sender.sendall(chunk(b"abc"))
    body = request(receiver, Pace(idle_timeout=0.5, min_rate=0, window=60, deadline=1e9))
    assert body.fill(memoryview(bytearray(1 << 20))) == 3


class Dripping:
    """A connection whose sender always has one more chunk of one byte, a second after the one before."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def recv(self, size):
        self.now += 1
        return chunk(b"x")

    def settimeout(self, seconds):
        pass


def test_a_dripping_sender_is_under_the_minimum_rate(monkeypatch):
    body = request(Dripping(monkeypatch), Pace(idle_timeout=5, min_rate=100, window=10, deadline=1e9))
    with pytest.raises(TooSlow):
        taken(body, 1 << 16)
    assert body.received < 20


def test_a_dripping_sender_meets_the_deadline(monkeypatch):
    body = request(Dripping(monkeypatch), Pace(idle_timeout=5, min_rate=0, window=10, deadline=30))
    with pytest.raises(DeadlinePassed):
        taken(body, 1 << 16)
    assert body.received < 40


@pytest.mark.parametrize(("most", "ended"), [(10, True), (9, False)])
def test_a_short_rest_is_dropped_to_its_end_and_a_long_one_is_not_waited_for(wire, most, ended):
    sender, receiver = wire
    sender.sendall(b"4\r\nhell\r\n6\r\no worl\r\n0\r\n\r\n")
    assert request(receiver).drain(most, 5) is ended


def test_a_rest_without_its_last_chunk_is_no_end(wire):
    sender, receiver = wire
    sender.sendall(b"4\r\nhell\r\n")
    assert not request(receiver).drain(10, 0.05)
