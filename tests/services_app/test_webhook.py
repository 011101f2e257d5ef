"""Webhooks: a real server over TLS, which verifies with the library that those who are told use."""

import base64
import contextlib
import datetime
import http.server
import ipaddress
import itertools
import os
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.checks import run_checks
from standardwebhooks import Webhook, WebhookVerificationError

from services_app.outbox import turns
from services_app.outbox.models import Delivery, State
from tests.services_app.handing import hand_on, process_one_round, stored, worker, write_hooks
from tests.services_app.making import COLLECTION, receipt_claims
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def secret(size: int = 32) -> str:
    return "whsec_" + base64.b64encode(os.urandom(size)).decode()


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(turns, "pause", lambda attempts: 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of 127.0.0.1, signed by itself, with its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hook")]), datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "both.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return folder


class Server(http.server.ThreadingHTTPServer):
    """Keeps what it is sent, and answers as it is told to."""

    def __init__(self, certificate):
        self.got, self.answers, self.may_answer = [], [], threading.Event()
        self.may_answer.set()
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "both.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, client_address):
        """A client that does not believe us is no fault of ours."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), content))
        self.server.may_answer.wait()
        status, fields = self.server.answers.pop(0) if self.server.answers else (204, {})
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(certificate):
    with Server(certificate) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def hooks(known_store, settings, tmp_path, certificate):
    """A function: HOOKS_FILE with one webhook to this port; its secret is in the file `secret`."""
    place = tmp_path / "secret"

    def write(port: int, text: str = "", **changed):
        place.write_text(text or secret())
        place.chmod(0o600)
        good = {"kind": "webhook", "name": "tell", "url": f"https://127.0.0.1:{port}/in?a=1", "secret_file": str(place)}
        write_hooks(settings, tmp_path / "hooks.toml", {**good, "ca_file": str(certificate / "cert.pem"), **changed})
        return place.read_text()

    return write


def test_a_stored_file_is_told_signed_with_ids_and_its_receipt_and_no_name(hooks, server, receipt_key):
    key = hooks(server.server_port)
    upload = stored()
    assert hand_on() == "done=1"
    ((path, fields, content),) = server.got
    told = Webhook(key).verify(content, fields)
    assert (path, fields["webhook-id"], fields["Content-Type"]) == ("/in?a=1", f"tell_{upload.id}", "application/json")
    assert (told["type"], told["data"].pop("stored_at")) == ("upload.stored", told["timestamp"])
    assert receipt_claims(told["data"].pop("receipt"), receipt_key)["upload_id"] == str(upload.id)
    assert told["data"] == {
        "upload_id": str(upload.id),
        "grant": str(upload.grant_id),
        "collection": COLLECTION,
        "size": upload.size,
        "sha256": upload.sha256,
        "media_type": "application/zip",
    }
    assert b"canary" not in content and Delivery.objects.get().said == "http_204"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret()).verify(content, fields)
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(content.replace(b"mri-2026", b"mri-2027"), fields)


def test_what_is_no_2xx_comes_again_with_the_same_id_and_no_redirect_is_followed(hooks, server, at_once):
    hooks(server.server_port)
    stored()
    server.answers = [(500, {}), (302, {"Location": "/elsewhere"}), (429, {}), (200, {})]
    said = []
    while Delivery.objects.filter(state=State.DONE).count() == 0:
        process_one_round()
        said.append(Delivery.objects.get().said)
    assert said == ["http_500", "http_302", "http_429", "http_200"]
    assert {path for path, _, _ in server.got} == {"/in?a=1"} and len({fields["webhook-id"] for _, fields, _ in server.got}) == 1


def test_a_worker_that_is_killed_again_and_again_tells_of_everything_in_order_and_never_by_another_id(hooks, server, settings):
    hooks(server.server_port)
    uploads = [stored(b"%d" % number) for number in range(5)]
    for number in itertools.count():
        if Delivery.objects.filter(state=State.DONE).count() == len(uploads):
            break
        if number % 2 == 0:
            server.may_answer.clear()  # so that it is killed in the middle of a try
        before = len(server.got)
        with worker(settings, "--every", "1") as killed:
            wait_for(lambda: len(server.got) > before)  # noqa: B023  asked at once
            killed.kill()
        server.may_answer.set()
    told = [fields["webhook-id"] for _, fields, _ in server.got]
    assert [key for key, _ in itertools.groupby(told)] == [f"tell_{upload.id}" for upload in uploads]
    assert len(told) > len(uploads)


def test_while_the_secret_changes_both_verify(hooks, server):
    old, new = secret(24), secret(64)
    hooks(server.server_port, f"{old}\n{new}\n")
    stored()
    assert hand_on() == "done=1"
    ((_, fields, content),) = server.got
    assert Webhook(old).verify(content, fields) == Webhook(new).verify(content, fields)


@pytest.mark.parametrize("wrong", [{"ca_file": ""}, {"url": "https://localhost:{port}/"}], ids=["authority", "name"])
def test_a_server_that_cannot_prove_who_it_is_is_told_nothing(hooks, server, wrong):
    hooks(server.server_port, **{key: value.format(port=server.server_port) for key, value in wrong.items()})
    stored()
    process_one_round()
    assert (Delivery.objects.get().said, server.got) == ("certificate", [])


def silent(connection):
    """A server that takes the connection, and no more."""


def dripping(connection):
    """One that answers a byte at a time, each within any timeout between two of them."""
    connection.do_handshake()
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.05)


@pytest.mark.parametrize("server_is", [silent, dripping])
def test_a_server_that_never_comes_to_its_end_is_given_up_in_time(hooks, certificate, server_is):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hooks(listening.getsockname()[1], timeout=1)
        stored()

        def serve():
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as taken:
                server_is(taken)
                done.wait()

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        process_one_round(5)
        done.set()
        thread.join()
    assert Delivery.objects.get().said == "timeout"


def test_nobody_there_comes_again(hooks):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hooks(port)
    stored()
    process_one_round()
    assert (Delivery.objects.get().state, Delivery.objects.get().said) == (State.WAITING, "ConnectionRefusedError")


@pytest.mark.parametrize(
    ("changed", "text", "said"),
    [
        ({"url": "http://127.0.0.1/"}, "", "`url` must be https://"),
        ({"url": "https://me:pass@127.0.0.1/"}, "", "`url` must be https://"),
        ({"url": "https://127.0.0.1/#a"}, "", "`url` must be https://"),
        ({"url": "https://127.0.0.1:x/"}, "", "`url` must be https://"),
        ({"url": "https:///"}, "", "`url` must be https://"),
        ({"url": "https://127.0.0.1/a\tb"}, "", "`url` must be https://"),
        ({"secret_file": "secret"}, "", "`secret_file` must be an absolute path"),
        ({"secret_file": "/nowhere/secret"}, "", "FileNotFoundError"),
        ({}, "whsec_c2hvcnQ=", "base64 of 24 to 64 bytes"),
        ({}, "plain", "must hold whsec_"),
        ({}, "whsec_\u00e9", "must hold whsec_"),
        ({"ca_file": "/dev/null"}, "", "`ca_file` must hold certificates"),
        ({"command": ["/bin/true"]}, "", "has a key that a webhook does not know: command"),
    ],
)
def test_a_webhook_that_cannot_be_meant_is_refused_at_the_start(hooks, changed, text, said):
    hooks(443, text, **changed)
    (problem,) = run_checks()
    assert problem.id == "services.E008" and said in problem.msg and "short" not in problem.msg


def test_a_secret_that_others_can_read_is_refused(hooks, tmp_path):
    hooks(443)
    assert run_checks() == []
    (tmp_path / "secret").chmod(0o644)
    assert "open to every user" in run_checks()[0].msg
