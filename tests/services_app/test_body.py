"""A body with a declared length, over a real pair of sockets and gunicorn's own reader objects."""

import hashlib
import os
import socket
import threading

import gunicorn
import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from services_app.uploads.errors import BodyCutOff, DeadlinePassed, TooSlow
from services_app.uploads.wire import body as module
from services_app.uploads.wire.body import RequestBody
from services_app.uploads.wire.pace import Allowance, Pace

pytestmark = pytest.mark.django_db  # who waits for a sender gives the thread's connection back

PATIENT = Pace(idle_timeout=5, min_rate=0, window=60, deadline=60)


@pytest.fixture
def wire():
    """(the sender's end, the receiver's end)"""
    sender, receiver = socket.socketpair()
    yield sender, receiver
    sender.close()
    receiver.close()


def request(receiver, length, pace=PATIENT, *, read_ahead=b"", peeked=b"", direct=True):
    """A RequestBody as under gunicorn. `read_ahead` came with the headers; `peeked` lies in the body's own buffer."""
    unreader = SocketUnreader(receiver)
    unreader.unread(read_ahead)
    stream = Body(LengthReader(unreader, length - len(peeked)))
    stream.buf.write(peeked)
    environ = {"wsgi.input": stream}
    if direct:
        environ["gunicorn.socket"] = receiver
    return RequestBody(environ, length, pace), stream


def taken(body, size=1 << 16):
    """Everything that the body yields, as the byte path would read it."""
    buffer, parts = memoryview(bytearray(size)), []
    while count := body.fill(buffer):
        parts.append(bytes(buffer[:count]))
    return b"".join(parts)


class Clock:
    """A monotonic clock that moves only when told, or by `step` at every look."""

    def __init__(self, monkeypatch, step=0.0):
        self.now, self.step = 1000.0, step
        monkeypatch.setattr(module.time, "monotonic", self)

    def __call__(self):
        self.now += self.step
        return self.now


def test_this_gunicorn_is_one_whose_internals_are_known():
    assert gunicorn.version_info[0] in module._DIRECT_WITH


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "by gunicorn's reader"])
@pytest.mark.parametrize("ahead", [0, 1, 5000])
def test_bytes_arrive_whole_and_in_order(wire, direct, ahead):
    sender, receiver = wire
    content = os.urandom(300_000)
    body, _ = request(receiver, len(content), read_ahead=content[:ahead], direct=direct)
    thread = threading.Thread(target=sender.sendall, args=(content[ahead:],))
    thread.start()
    found = taken(body)
    thread.join()
    assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()
    assert body.received == len(content)


def test_what_gunicorn_holds_in_either_buffer_comes_first(wire):
    sender, receiver = wire
    sender.sendall(b"ghi")
    body, _ = request(receiver, 9, peeked=b"abc", read_ahead=b"def")
    assert taken(body) == b"abcdefghi"


def test_a_body_that_came_with_its_headers_needs_no_socket(wire):
    _, receiver = wire
    body, _ = request(receiver, 3, read_ahead=b"abc")
    assert taken(body) == b"abc"


def test_bytes_beyond_the_declared_length_are_never_part_of_the_body(wire):
    sender, receiver = wire
    sender.sendall(b"defNEXT")
    body, _ = request(receiver, 6, read_ahead=b"abc")
    assert taken(body) == b"abcdef"
    body, _ = request(receiver, 3, read_ahead=b"abcNEXT")
    assert taken(body) == b"abc"


def test_after_the_takeover_gunicorn_believes_that_all_was_read(wire):
    sender, receiver = wire
    sender.sendall(b"abc")
    _, stream = request(receiver, 6, read_ahead=b"xyz")
    assert stream.reader.read(10) == b"" and stream.reader.unreader.take_buffered() == b""


def test_a_buffer_smaller_than_what_is_held_is_filled_again_and_again(wire):
    _, receiver = wire
    body, _ = request(receiver, 10, read_ahead=b"0123456789")
    assert taken(body, size=3) == b"0123456789"


def test_an_empty_body_ends_at_once(wire):
    _, receiver = wire
    body, _ = request(receiver, 0)
    assert taken(body) == b"" and body.received == 0


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "by gunicorn's reader"])
@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_sender_that_hangs_up_early_is_cut_off_and_not_at_its_end(wire, direct, sent):
    sender, receiver = wire
    sender.sendall(sent)
    sender.close()
    body, _ = request(receiver, 10, direct=direct)
    with pytest.raises(BodyCutOff):
        taken(body)


def test_a_connection_that_breaks_is_cut_off(wire):
    _, receiver = wire
    body, _ = request(receiver, 10)
    receiver.close()
    with pytest.raises(BodyCutOff):
        taken(body)


def test_a_sender_that_falls_silent_is_too_slow(wire):
    sender, receiver = wire
    sender.sendall(b"abc")
    body, _ = request(receiver, 10, Pace(idle_timeout=0.05, min_rate=0, window=60, deadline=60))
    with pytest.raises(TooSlow):
        taken(body)


def test_a_sender_under_the_minimum_rate_is_too_slow(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"x" * 100)
    body, _ = request(receiver, 1000, Pace(idle_timeout=5, min_rate=100, window=10, deadline=1e9))
    Clock(monkeypatch, step=2.0)
    buffer = memoryview(bytearray(10))
    with pytest.raises(TooSlow):
        for _ in range(20):
            body.fill(buffer)


def test_a_sender_at_the_minimum_rate_is_not_too_slow(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"x" * 1000)
    body, _ = request(receiver, 1000, Pace(idle_timeout=5, min_rate=10, window=10, deadline=1e9))
    Clock(monkeypatch, step=0.5)
    assert len(taken(body, size=10)) == 1000


def test_a_rate_of_zero_switches_the_minimum_off(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"x" * 100)
    body, _ = request(receiver, 100, Pace(idle_timeout=5, min_rate=0, window=1, deadline=1e9))
    Clock(monkeypatch, step=50.0)
    assert len(taken(body, size=1)) == 100


def test_a_slow_store_does_not_count_against_the_sender(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"x" * 1000)
    clock = Clock(monkeypatch)
    body, _ = request(receiver, 1000, Pace(idle_timeout=5, min_rate=100, window=10, deadline=1e9))
    buffer = memoryview(bytearray(10))
    while body.fill(buffer):
        clock.now += 100  # the store writes these ten bytes
    assert body.received == 1000


PIPE = Pace(idle_timeout=300, min_rate=4096, window=600, deadline=1e9)  # as the settings have it


@pytest.mark.parametrize(
    ("turns", "ends"),
    [
        ([(0, 1 << 20), (120, 1 << 20)] * 5, None),  # silent for two minutes, then a lot, again and again
        ([(250, 1 << 20)] * 20, None),  # a block of a slow compressor every four minutes
        ([(290, 4 << 20)], None),  # nothing at first
        ([(1, 4096)] * 10_000, None),
        ([(1, 1)] * 10_000, 600),  # a drip
        ([(0, 1 << 30)] + [(1, 1)] * 10_000, 600),  # what was fast once pays for no dripping later
        ([(100, 4096)] * 20, 606),
    ],
)
def test_a_pipe_that_pauses_goes_on_and_a_sender_that_drips_does_not(turns, ends):
    allowance, waited = Allowance(PIPE), 0
    for seconds, count in turns:
        waited += seconds
        try:
            allowance.spend(seconds, count)
        except TooSlow:
            break
    else:
        waited = None
    assert waited == ends if ends is None else ends <= waited <= ends + 100


def test_a_minimum_rate_does_not_look_at_the_average_of_all(wire, monkeypatch):
    sender, receiver = wire
    clock = Clock(monkeypatch)
    body, _ = request(receiver, 100_000, Pace(idle_timeout=5, min_rate=100, window=10, deadline=1e9))
    real, waits = body._receive, iter([0] * 10 + [4] * 10)

    def slow(view):
        clock.now += next(waits)
        return real(view)

    monkeypatch.setattr(body, "_receive", slow)
    sender.sendall(b"x" * 10_000)
    buffer = memoryview(bytearray(1000))
    for _ in range(10):
        body.fill(buffer)  # a fast start, far above the average that is asked for
    with pytest.raises(TooSlow):
        for _ in range(10):
            sender.sendall(b"x")
            body.fill(memoryview(bytearray(1)))


def test_a_request_past_its_deadline_ends_however_fast_it_is(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"x" * 100)
    clock = Clock(monkeypatch)
    body, _ = request(receiver, 1000, Pace(idle_timeout=5, min_rate=0, window=60, deadline=10))
    body.fill(memoryview(bytearray(10)))
    clock.now += 11
    assert body.fill(memoryview(bytearray(10))) == 10  # it came, so it is handed on
    with pytest.raises(DeadlinePassed):
        body.fill(memoryview(bytearray(10)))
    assert body.received == 20


def test_what_came_before_a_body_broke_off_is_handed_on_first(wire):
    sender, receiver = wire
    body, _ = request(receiver, 1000)
    sender.sendall(b"x" * 10)
    sender.close()
    buffer = memoryview(bytearray(1000))
    assert body.fill(buffer) == 10 and bytes(buffer[:10]) == b"x" * 10
    for _ in range(2):
        with pytest.raises(BodyCutOff):
            body.fill(buffer)
    assert body.received == 10


def test_what_came_in_is_handed_on_within_about_a_second(wire, monkeypatch):
    sender, receiver = wire
    Clock(monkeypatch, step=0.6)
    body, _ = request(receiver, 1000)
    sender.sendall(b"x" * 10)
    assert body.fill(memoryview(bytearray(1000))) == 10  # without waiting for the other 990


def test_a_version_of_gunicorn_that_is_not_known_is_left_to_its_own_reader(wire, monkeypatch):
    sender, receiver = wire
    monkeypatch.setattr(gunicorn, "version_info", (99, 0, 0))
    sender.sendall(b"defghi")
    body, stream = request(receiver, 9, read_ahead=b"abc")
    assert body._prefix is None and stream.reader.length == 9
    assert taken(body) == b"abcdefghi"


def test_another_server_is_left_to_its_own_reader():
    import io

    body = RequestBody({"wsgi.input": io.BytesIO(b"abc")}, 3, PATIENT)
    assert taken(body) == b"abc"
    body = RequestBody({"wsgi.input": io.BytesIO(b"ab")}, 3, PATIENT)
    with pytest.raises(BodyCutOff):
        taken(body)


@pytest.mark.parametrize("read", [0, 4, 10])
def test_a_short_rest_is_dropped_to_its_end(wire, read):
    sender, receiver = wire
    sender.sendall(b"0123456789" + b"next")
    body, _ = request(receiver, 10)
    assert body.fill(memoryview(bytearray(read))) == read
    assert body.drain(10 - read, 5)
    assert receiver.recv(4) == b"next"


def test_a_rest_that_is_too_long_is_left_where_it_is(wire):
    sender, receiver = wire
    sender.sendall(b"0123456789")
    body, _ = request(receiver, 10)
    assert not body.drain(9, 5)
    assert receiver.recv(10) == b"0123456789"


def test_a_rest_that_does_not_come_in_time_is_not_waited_for(wire):
    sender, receiver = wire
    sender.sendall(b"01234")
    body, _ = request(receiver, 10)
    assert not body.drain(10, 0.05)


def test_a_rest_that_comes_byte_by_byte_is_given_up_in_time(wire, monkeypatch):
    sender, receiver = wire
    sender.sendall(b"0123456789")
    Clock(monkeypatch, step=0.3)
    body, _ = request(receiver, 10)
    assert not body.drain(10, 0.5)


def test_a_rest_whose_sender_hung_up_is_no_end(wire):
    sender, receiver = wire
    sender.sendall(b"01234")
    sender.close()
    body, _ = request(receiver, 10)
    assert not body.drain(10, 5)


def test_the_idle_timeout_is_set_on_the_socket(wire):
    _, receiver = wire
    request(receiver, 3, Pace(idle_timeout=7, min_rate=0, window=60, deadline=60))
    assert receiver.gettimeout() == 7
