"""Connections on which nothing is said, or one byte, at the listeners of the services tier: nobody waits for them (ADR 0022)."""

import contextlib
import resource
import signal
import socket
import ssl
import time

import psutil
import pytest

from dev import pki
from dev.stack import Stack
from tests.waiting import wait_for

ONE_BYTE = b"\x16"  # of a ClientHello


@contextlib.contextmanager
def connections(port: int, count: int, say: bytes = b""):
    """`count` of them, open until the end of the block or until the other side ends them."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)))
            opened[-1].sendall(say)
        yield opened


def secured(stack, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(stack.keys.nginx_cert, stack.keys.nginx_key)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname=pki.SERVICES_NAME)


def is_ended(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        while sock.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("say", [b"", ONE_BYTE], ids=["silent", "one byte"])
@pytest.mark.parametrize(("listener", "count"), [("control", 40), ("uploads", 130), ("uploads", 1300), ("control", 1300)])
def test_a_bystander_uploads_beside_them_and_they_are_ended_within_seconds(own, bystander, listener, count, say, more_files):
    port = own.uploads_port if listener == "uploads" else own.control_port
    with connections(port, count, say) as opened:
        for _ in range(2):
            assert bystander.uploads()
        wait_for(lambda: all(map(is_ended, opened)), 15)
    assert bystander.uploads()


@pytest.fixture
def more_files():
    """For this side of the connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("listener", ["control", "uploads"])
def test_half_a_head_holds_no_thread_on_a_new_connection_or_a_kept_one(own, bystander, listener):
    port = own.uploads_port if listener == "uploads" else own.control_port
    request = b"GET /nowhere HTTP/1.1\r\nHost: services.sluice.internal\r\n"
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(contextlib.closing(secured(own, port))) for _ in range(70)]
        for number, one in enumerate(opened):
            if number % 2 and listener == "control":  # the next one on a kept connection, partly sent along with the first
                one.sendall(request + b"\r\nGET /no")
            else:
                one.sendall(request)
        assert bystander.uploads()
        if listener == "control":
            assert all(b"404" in one.recv(65536) for one in opened[1::2])
        wait_for(lambda: all(map(is_ended, opened)), 15)


def test_the_kernel_asks_whether_a_silent_peer_still_lives(own):
    with connections(own.control_port, 1) as (one,):
        ours = f"{one.getpeername()[1]:04X}", f"{one.getsockname()[1]:04X}"

        def timers() -> list[str]:
            """Of the listener's side of the connection, as /proc/net/tcp shows them: 02 is keepalive."""
            with open("/proc/net/tcp", encoding="ascii") as table:
                rows = [line.split() for line in table][1:]
            return [row[5][:2] for row in rows if (row[1][-4:], row[2][-4:]) == ours]

        wait_for(lambda: timers() == ["02"], 5)


@pytest.mark.parametrize("listener", ["control", "uploads"])
def test_a_stalled_handshake_keeps_no_process_from_stopping(own, listener):
    port = own.uploads_port if listener == "uploads" else own.control_port
    with connections(port, 20, ONE_BYTE):
        began = time.monotonic()
        assert own.stop_process(listener) == 0
        assert time.monotonic() - began < 5
    own.start_process(listener)


@pytest.mark.parametrize("name", ["control", "uploads", "web_app"])
def test_a_process_without_descriptors_left_goes_on_when_it_has_some_again(own, bystander, name):
    workers = own.pids(name)[1:]
    usual = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in workers}
    log, before = own.log(name), own.log(name).stat().st_size
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (psutil.Process(pid).num_fds(), usual[pid][1]))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                sock = socket.socket(socket.AF_UNIX if name == "web_app" else socket.AF_INET)
                stack.enter_context(sock)
                port = own.uploads_port if name == "uploads" else own.control_port
                sock.connect(str(own.web_socket) if name == "web_app" else ("127.0.0.1", port))
            wait_for(lambda: b'"errno": 24' in log.read_bytes()[before:], 10)
    finally:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual[pid])
    wait_for(lambda: bystander.uploads(), 1)
    assert own.pids(name)[1:] == workers


def test_a_listener_whose_bounds_lie_above_its_descriptors_does_not_start_and_says_the_cure(own):
    """As systemd would start it with LimitNOFILE=1024; with 1024 as the soft limit alone it raises it."""
    assert resource.prlimit(own.pids("uploads")[1], resource.RLIMIT_NOFILE)[0] >= 1500
    own.stop_process("control")
    service = own.services["control"]
    command = service.command
    service.command = ["sh", "-c", 'ulimit -n 1024; exec "$@"', "sh", *command]
    try:
        before = service.log.stat().st_size
        service.start()
        wait_for(lambda: not service.is_running(), 30)
        assert b"LimitNOFILE=" in service.log.read_bytes()[before:]
    finally:
        service.command = command
        own.start_process("control")


@pytest.mark.parametrize("name", ["uploads", "control", "web_app"])
def test_hup_ends_nothing_and_leaves_the_master_able_to_hear(tmp_path, name):
    """Neither of the master nor of the workers, as `systemctl kill -s HUP` sends it."""
    with Stack(tmp_path) as own:
        processes = own.pids(name)
        port = own.uploads_port if name == "uploads" else own.control_port
        with connections(port, 1):
            for pid in processes:
                psutil.Process(pid).send_signal(signal.SIGHUP)
            wait_for(lambda: b"SIGHUP" in own.log(name).read_bytes() or b"signal" in own.log(name).read_bytes(), 10)
            assert own.pids(name) == processes
            psutil.Process(processes[1]).kill()
            wait_for(lambda: len(own.pids(name)) == len(processes) and processes[1] not in own.pids(name), 10)
            own.wait_until_healthy(name)
            began = time.monotonic()
            assert own.stop_process(name) == 0 and time.monotonic() - began < 5
