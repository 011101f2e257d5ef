"""The edge: TLS versions, names, and what is not offered. Plain sockets, so that nothing is polite on our behalf."""

import socket
import ssl

import pytest

from tests.nginx.rig import TOKEN, Answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_tls_versions_are_spoken(rig, version):
    with rig.connect(minimum_version=version, maximum_version=version) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_versions_are_refused(rig, version):
    context = ssl.create_default_context(cafile=str(rig.pki.edge_ca))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    with (
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
        socket.create_connection(("127.0.0.1", rig.port)) as plain,
    ):
        context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize(
    ("ciphers", "accepted"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA", False),  # CBC
        ("ECDHE-ECDSA-AES256-CCM:ECDHE-ECDSA-AES128-CCM8", False),
        ("AES128-GCM-SHA256:AES256-GCM-SHA384", False),  # no forward secrecy
    ],
)
def test_tls_1_2_takes_only_forward_secret_authenticated_ciphers(rig, ciphers, accepted):
    context = ssl.create_default_context(cafile=str(rig.pki.edge_ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", rig.port)) as plain:
        if accepted:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                assert connection.cipher()[0] in ciphers
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(plain, server_hostname="localhost")


def test_sessions_resume_without_tickets(rig):
    """A ticket's key would open every recorded session for as long as the process lives."""
    context = ssl.create_default_context(cafile=str(rig.pki.edge_ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", rig.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            session = connection.session
            assert not session.has_ticket
    with socket.create_connection(("127.0.0.1", rig.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            assert connection.session_reused


def test_http_2_is_not_offered(rig):
    context = ssl.create_default_context(cafile=str(rig.pki.edge_ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", rig.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("name", ["elsewhere.example", None])
def test_another_name_or_none_gets_no_certificate(rig, name):
    with pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|HANDSHAKE_FAILURE"):
        rig.connect(name=name)


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1", "localhost.evil.example", "xlocalhost", "services_control"]
)
def test_another_host_under_our_name_is_closed_without_an_answer(rig, host):
    answer = rig.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (answer.status, answer.body) == (None, b"")
    assert rig.web.requests == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "localhost:1"])
def test_our_name_in_any_spelling_is_answered(rig, host):
    assert rig.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()).status == 200
    assert rig.web.requests[0].header("Host").lower().startswith("localhost")


def test_plain_http_on_the_tls_port_is_refused_and_reaches_nobody(rig):
    with socket.create_connection(("127.0.0.1", rig.port), 10) as plain:
        plain.sendall(f"PUT /u/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345".encode())
        answer = Answer.read(plain)
    assert (answer.status, answer.code()) == (400, "request_malformed")
    assert rig.control.requests == rig.uploads.requests == []
