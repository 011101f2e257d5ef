"""gunicorn's configuration: no listener without its certificates, no peer without ours, nothing below TLS 1.3."""

import os
import runpy
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dev.pki import NGINX_NAME, SERVICES_NAME, Authority, Pki

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def environment(pki, monkeypatch):
    for name, value in {
        "LISTENER": "uploads",
        "TLS_CERT_FILE": str(pki.services_cert),
        "TLS_KEY_FILE": str(pki.services_key),
        "TLS_CLIENT_CA_FILE": str(pki.inside_ca),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("UPLOAD_THREADS", "CONTROL_THREADS", "GRACEFUL_TIMEOUT", "UPLOADS_BIND", "CONTROL_BIND"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def configuration(environment):
    return lambda: runpy.run_path(str(ROOT / "services_app/gunicorn.conf.py"))


@pytest.mark.parametrize("name", ["LISTENER", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"])
@pytest.mark.parametrize("value", [None, "", "/nowhere"])
def test_half_a_configuration_stops_and_names_the_variable(configuration, monkeypatch, name, value):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        configuration()
    assert str(stopped.value).startswith(name)


@pytest.mark.parametrize(
    ("listener", "name"),
    [("uploads", "UPLOAD_THREADS"), ("uploads", "GRACEFUL_TIMEOUT"), ("control", "CONTROL_THREADS")],
)
@pytest.mark.parametrize("value", ["", "0", "-1", "many", "1.5", "²"])
def test_a_number_that_is_none_stops_and_names_the_variable(configuration, monkeypatch, listener, name, value):
    monkeypatch.setenv("LISTENER", listener)
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        configuration()
    assert str(stopped.value).startswith(name)


def test_bodies_get_no_kept_connection_and_time_to_end(configuration, monkeypatch):
    uploads = configuration()
    assert (uploads["keepalive"], uploads["graceful_timeout"], uploads["max_requests"]) == (0, 86400, 0)
    assert uploads["accesslog"] is None and uploads["cert_reqs"] == ssl.CERT_REQUIRED
    monkeypatch.setenv("LISTENER", "control")
    control = configuration()
    assert control["keepalive"] > 15 and control["bind"] != uploads["bind"]


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, dict]:
    """The version and the peer's certificate as the server sees them. Raises OSError when either side refuses."""
    near, far = socket.socketpair()
    near.settimeout(5), far.settimeout(5)
    seen = []

    def serve():
        try:
            with server.wrap_socket(near, server_side=True) as secured:
                secured.sendall(b"x")
                seen.append((secured.version(), secured.getpeercert()))
                secured.recv(1)
        except OSError as exc:
            seen.append(exc)
            near.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(far, server_hostname=SERVICES_NAME) as secured:
            secured.recv(1)  # in TLS 1.3 a client learns of its refusal by its first read
            secured.sendall(b"x")
    finally:
        far.close()
        thread.join()
    if isinstance(seen[0], OSError):
        raise seen[0]
    return seen[0]


def client_context(pki, certificate=None):
    context = ssl.create_default_context(cafile=pki.inside_ca)
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def test_a_certificate_of_the_inside_authority_is_taken_and_its_name_is_seen(configuration, pki):
    version, certificate = shake_hands(
        configuration()["ssl_context"](None, None), client_context(pki, (pki.nginx_cert, pki.nginx_key))
    )
    assert version == "TLSv1.3" and ("DNS", NGINX_NAME) in certificate["subjectAltName"]


@pytest.mark.parametrize("kind", ["none", "of another authority", "a server's"])
def test_any_other_certificate_is_refused_in_the_handshake(configuration, pki, tmp_path, kind):
    certificate = {
        "none": lambda: None,
        "of another authority": lambda: Authority(tmp_path, "another").issue("nginx", NGINX_NAME),
        "a server's": lambda: (pki.services_cert, pki.services_key),
    }[kind]()
    with pytest.raises(OSError):
        shake_hands(configuration()["ssl_context"](None, None), client_context(pki, certificate))


def test_tls_below_1_3_is_refused(configuration, pki):
    client = client_context(pki, (pki.nginx_cert, pki.nginx_key))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):
        shake_hands(configuration()["ssl_context"](None, None), client)


def test_gunicorn_refuses_to_start_half_configured_and_says_why(environment, tmp_path):
    keep = ("PATH", "LISTENER", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE")
    ran = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "services_app/gunicorn.conf.py", "services_app.config.wsgi"],
        cwd=ROOT, env={name: os.environ[name] for name in keep} | {"UPLOADS_BIND": f"unix:{tmp_path}/socket"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode != 0 and "services_app cannot start: SERVER_ROLE is not set" in ran.stderr
    assert not (tmp_path / "socket").exists()


def test_who_was_crowded_out_in_a_round_of_events_is_nobody_later_in_it():
    from services_app.config.worker import DrainingWorker

    class Ended:
        def advance(self, most):
            raise OSError("closed")

    worker = DrainingWorker.__new__(DrainingWorker)
    worker._arriving, worker._most = {}, 1
    worker._on_arriving(Ended(), object())
