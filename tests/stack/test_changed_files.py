"""What an operator changes on an ordinary day is taken up while an upload runs, which ends in 201 (ADR 0021)."""

import base64
import datetime
import json
import os
import socket
import ssl
import time
import uuid
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from dev import pki
from dev.client import Client
from dev.stack import Stack
from services_app.receipts.keyring import Keyring
from tests.curl import bearer, curl
from tests.stack.running import running_upload
from tests.tokens import mint
from tests.waiting import wait_for
from web_app.storage.errors import ObjectUnknown, StorageUnreachable
from web_app.storage.internal_api import InternalApi

PATIENCE = 10.0


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("changed")) as stack:
        yield stack


def serial(stack, port: int) -> int:
    """Of the certificate that a new connection meets; OSError when ours is not taken."""
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(stack.keys.nginx_cert, stack.keys.nginx_key)
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=pki.SERVICES_NAME) as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: services.sluice.internal\r\n\r\n")
            assert secured.recv(1)  # TLS 1.3: a client learns of its refusal by its first read
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True)).serial_number


def ready(stack) -> dict:
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(stack.keys.web_app_cert, stack.keys.web_app_key)
    with socket.create_connection(("127.0.0.1", stack.control_port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=pki.SERVICES_NAME) as secured:
            secured.sendall(b"GET /readyz HTTP/1.1\r\nHost: services.sluice.internal\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: secured.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def renew(stack, cert: Path, key: Path, name: str, **kind) -> int:
    """Another certificate and key from the same authority; its serial number."""
    fresh_cert, fresh_key = stack.keys.inside.issue(f"fresh-{time.monotonic_ns()}", name, **kind)
    os.replace(fresh_key, key)
    os.replace(fresh_cert, cert)
    return x509.load_pem_x509_certificate(cert.read_bytes()).serial_number


def revoke(stack, *certificates: Path) -> bytes:
    """A list of them from the authority, in PEM (RFC 5280)."""
    now = datetime.datetime.now(datetime.UTC)
    authority = x509.load_pem_x509_certificate(stack.keys.inside_ca.read_bytes())
    listed = x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now)
    listed = listed.next_update(now + datetime.timedelta(days=1))
    for one in certificates:
        serial_number = x509.load_pem_x509_certificate(one.read_bytes()).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(now).build()
        listed = listed.add_revoked_certificate(entry)
    key = serialization.load_pem_private_key((stack.keys.inside.folder / "ca.key").read_bytes(), None)
    return listed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_refused(stack) -> bool:
    """Whether web_app's certificate is."""
    try:
        return not ready(stack)
    except OSError:
        return True


def internal_api(stack, authority: Path) -> InternalApi:
    key, certificates = stack.keys.internal_api_key.read_text().strip(), (stack.keys.web_app_cert, stack.keys.web_app_key)
    names = {"cert_file": certificates[0], "key_file": certificates[1], "ca_file": authority}
    return InternalApi(f"https://127.0.0.1:{stack.control_port}", name=pki.SERVICES_NAME, api_key=key, **names)


def test_a_revoked_certificate_is_let_in_no_more_by_either_tier(own, tmp_path):
    """The list stands in the authority's file. What the revoked one began goes on: a connection is judged as it begins."""
    authority = own.keys.inside_ca.read_bytes()
    web_app, services = own.keys.web_app_cert, own.keys.services_cert
    with running_upload(own):
        try:
            pki.write_private(own.keys.inside_ca, authority + revoke(own))
            wait_for(lambda: ready(own)["files"] == "ok", PATIENCE)
            assert serial(own, own.control_port) and serial(own, own.uploads_port), "a list without anybody lets everybody in"
            pki.write_private(own.keys.inside_ca, authority + revoke(own, web_app))
            wait_for(lambda: is_refused(own), PATIENCE)
            assert serial(own, own.control_port), "nginx's own is another one"
            pki.write_private(own.keys.inside_ca, authority)
            wait_for(lambda: not is_refused(own), PATIENCE)
            for revoked, answer in ((services, StorageUnreachable), (web_app, ObjectUnknown)):
                trusted = tmp_path / "authority.crt"
                trusted.write_bytes(authority + revoke(own, revoked))
                with pytest.raises(answer):
                    internal_api(own, trusted).ask("GET", f"objects/{uuid.uuid4()}")
        finally:
            pki.write_private(own.keys.inside_ca, authority)


@pytest.mark.parametrize("listener", ["uploads", "control"])
def test_a_renewed_certificate_is_met_by_new_connections(own, listener):
    port = own.uploads_port if listener == "uploads" else own.control_port
    with running_upload(own):
        before = serial(own, port)
        fresh = renew(own, own.keys.services_cert, own.keys.services_key, pki.SERVICES_NAME, server=True)
        assert before != fresh
        wait_for(lambda: serial(own, port) == fresh, PATIENCE)
        assert ready(own)["files"] == "ok"


def test_a_key_that_does_not_fit_its_certificate_is_refused_and_the_old_pair_serves_on(own):
    key = own.keys.services_key.read_bytes()
    with running_upload(own):
        before = serial(own, own.control_port)
        pki.write_private(own.keys.services_key, own.keys.web_app_key.read_bytes())
        wait_for(lambda: "TLS_KEY_FILE" in ready(own)["files"], PATIENCE)
        assert ready(own)["status"] == "ok" and serial(own, own.control_port) == before
        pki.write_private(own.keys.services_key, key)
        wait_for(lambda: ready(own)["files"] == "ok", PATIENCE)
    assert own.log("control").read_text().count("changed file refused") == 1


def test_a_new_authority_lets_its_clients_in_and_one_taken_away_no_longer(own, tmp_path):
    bundle = own.keys.inside_ca.read_bytes()
    other = pki.Authority(tmp_path, "another inside CA")
    cert, key = other.issue("nginx", pki.NGINX_NAME)

    def is_let_in() -> bool:
        context = ssl.create_default_context(cafile=tmp_path / "ours.crt")
        context.load_cert_chain(cert, key)
        try:
            with socket.create_connection(("127.0.0.1", own.uploads_port), 5) as plain:
                with context.wrap_socket(plain, server_hostname=pki.SERVICES_NAME) as secured:
                    secured.sendall(b"GET / HTTP/1.1\r\nHost: services.sluice.internal\r\n\r\n")
                    return bool(secured.recv(1))
        except OSError:
            return False

    (tmp_path / "ours.crt").write_bytes(bundle)
    with running_upload(own):
        assert not is_let_in()
        pki.write_private(own.keys.inside_ca, bundle + other.certificate_file.read_bytes())
        wait_for(is_let_in, PATIENCE)
        pki.write_private(own.keys.inside_ca, bundle)
        wait_for(lambda: not is_let_in(), PATIENCE)


def publish(private: Path, public: Path) -> None:
    pki.write_private(public, json.dumps(Keyring(private).public()).encode())


def test_token_keys_are_rotated_and_retired_while_everything_runs(own):
    private, public = own.keys.token_private, own.keys.token_public
    client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
    with running_upload(own):
        by_old = mint(own)
        ring = Keyring(private)
        old, new = ring.kids()[0], ring.add()
        publish(private, public)  # 1. its public half is spread
        ring.sign_with(new)  # 2. it signs

        def signs_with_new():
            token = client.new_grant(own.collection)["token"]
            return token if kid(token) == new else None

        token = wait_for(signs_with_new, PATIENCE)
        wait_for(lambda: client.put(token, b"by the new key").status in (201, 409), PATIENCE)
        assert client.put(by_old, b"by the old key").status == 201
        another = mint_with(own, private, old)
        ring.retire(old)  # 3.
        publish(private, public)
        wait_for(lambda: curl(own, "/u", *bearer(another)).status == 401, PATIENCE)


def kid(jws: str) -> str:
    head = jws.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def mint_with(stack, private: Path, wanted: str) -> str:
    ring = Keyring(private)
    signing = ring.kids()[-1]
    ring.sign_with(wanted)
    try:
        return mint(stack)
    finally:
        ring.sign_with(signing)


def test_receipt_keys_are_rotated_and_web_app_believes_the_new_one(own):
    client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
    with running_upload(own):
        ring = Keyring(own.keys.receipt_private)
        new = ring.add()
        publish(own.keys.receipt_private, own.keys.receipt_public)
        ring.sign_with(new)

        def receipt_by_new():
            told = client.put(client.new_grant(own.collection)["token"], b"content").json()
            return told["receipt"] if kid(told["receipt"]) == new else None

        receipt = wait_for(receipt_by_new, PATIENCE)
        wait_for(lambda: client.call("POST", "/api/v1/receipts", {"receipt": receipt}).status == 200, PATIENCE)


@pytest.mark.parametrize("bad", ['{"keys": []}', "private", "{"])
def test_a_key_set_that_is_none_is_refused_and_tokens_are_taken_as_before(own, bad):
    good = own.keys.token_public.read_bytes()
    content = own.keys.token_private.read_bytes() if bad == "private" else bad.encode()
    pki.write_private(own.keys.token_public, content)
    try:
        wait_for(lambda: ready(own)["files"] == "refused (TOKEN_JWKS_FILE)", PATIENCE)
        assert Client(own.edge_port, own.keys.edge_ca).put(mint(own), b"content").status == 201
    finally:
        pki.write_private(own.keys.token_public, good)
    wait_for(lambda: ready(own)["files"] == "ok", PATIENCE)


def test_a_changed_internal_api_key_opens_and_the_old_one_no_longer(own):
    keys = own.keys
    with running_upload(own):
        assert asks_internally(own) == 404
        old = keys.internal_api_key.read_text().strip()
        new = "n" * 43
        pki.write_private(keys.internal_api_key, f"{new}\n".encode())
        wait_for(lambda: asks_internally(own, old) == 403, PATIENCE)
        assert asks_internally(own, new) == 404
        pki.write_private(keys.internal_api_key, b"short\n")
        wait_for(lambda: ready(own)["files"] == "refused (INTERNAL_API_KEY_FILE)", PATIENCE)
        assert asks_internally(own, new) == 404
        pki.write_private(keys.internal_api_key, f"{old}\n".encode())
        wait_for(lambda: asks_internally(own, old) == 404, PATIENCE)


def asks_internally(stack, key: str | None = None) -> int:
    key = key or stack.keys.internal_api_key.read_text().strip()
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(stack.keys.web_app_cert, stack.keys.web_app_key)
    head = f"GET /internal/v1/grants/01890000-0000-7000-8000-000000000001 HTTP/1.1\r\nHost: {pki.SERVICES_NAME}\r\n"
    with socket.create_connection(("127.0.0.1", stack.control_port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=pki.SERVICES_NAME) as secured:
            secured.sendall(f"{head}Authorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode())
            return int(secured.recv(65536).split()[1])
