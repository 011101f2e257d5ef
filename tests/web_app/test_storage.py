"""RemoteStorageDriver against a TLS server that stands in for the services tier: metadata only, to the right peer only."""

import http.server
import json
import socket
import ssl
import threading
import uuid

import pytest

from dev.pki import NGINX_NAME, WEB_APP_NAME, Authority
from web_app.config import watched
from web_app.storage import errors
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.internal_api import InternalApi, internal_api

UPLOAD = uuid.UUID("019ab0c0-0000-7000-8000-000000000001")
NAME = "services.sluice.internal"
METADATA = {
    "upload_id": str(UPLOAD),
    "collection": "mri-2026",
    "size": 342884352,
    "sha256": "ab" * 32,
    "media_type": "application/zip",
    "stored_at": "2026-11-23T08:01:00.500Z",
}


class Services(http.server.ThreadingHTTPServer):
    """Answers from `answers` (path → status, body) and notes what was asked, with the client's certificate name."""

    daemon_threads = True

    def __init__(self, pki, cert=None, key=None, tls=ssl.TLSVersion.TLSv1_3):
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = tls
        context.load_cert_chain(cert or pki.services_cert, key or pki.services_key)
        context.load_verify_locations(pki.inside_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answers, self.asked = {}, []

    def handle_error(self, request, client_address):
        """Refused handshakes are what some of these tests want."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        self.server.asked.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "peer": [value for _, value in self.connection.getpeercert()["subjectAltName"]],
            }
        )
        status, body = self.server.answers.get(self.path, (404, {"code": "upload_unknown"}))
        content = b"" if status == 204 else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_DELETE = do_PUT = _answer

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(pki):
    started = []

    def start(**how):
        server = Services(pki, **how)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def driver_to(pki):
    def make(server, **differing):
        how = {
            "name": NAME,
            "api_key": "k" * 43,
            "ca_file": pki.inside_ca,
            "cert_file": pki.web_app_cert,
            "key_file": pki.web_app_key,
        }
        return RemoteStorageDriver(InternalApi(f"https://127.0.0.1:{server.server_port}", **{**how, **differing}))

    return make


def test_metadata_size_and_existence_are_asked_with_certificate_and_key(serve, driver_to):
    server = serve()
    server.answers[f"/internal/v1/objects/{UPLOAD}"] = (200, METADATA)
    driver = driver_to(server)
    found = driver.metadata(UPLOAD)
    assert (found.upload_id, found.collection, found.size) == (UPLOAD, "mri-2026", 342884352)
    assert found.stored_at.isoformat() == "2026-11-23T08:01:00.500000+00:00"
    assert driver.size(UPLOAD) == 342884352
    assert driver.exists(UPLOAD)
    assert not driver.exists(uuid.UUID(int=7))
    assert [one["method"] for one in server.asked] == ["GET"] * 4
    for one in server.asked:
        assert one["peer"] == ["web-app.web.sluice.internal"]
        assert one["headers"]["Authorization"] == "Bearer " + "k" * 43
        assert one["headers"]["Host"] == NAME
        assert "Content-Length" not in one["headers"]


def test_a_folder_is_asked_for_without_a_body(serve, driver_to):
    server = serve()
    server.answers["/internal/v1/collections/mri-2026"] = (204, b"")
    driver_to(server).add_collection("mri-2026")
    (asked,) = server.asked
    assert (asked["method"], asked["headers"].get("Content-Length", "0")) == ("PUT", "0")
    server.answers["/internal/v1/collections/mri-2026"] = (403, {"code": "peer_forbidden"})
    with pytest.raises(errors.StorageRefused):
        driver_to(server).add_collection("mri-2026")


def test_list_goes_through_all_pages(serve, driver_to):
    server = serve()
    ids = [str(uuid.UUID(int=number)) for number in range(1, 4)]
    path = "/internal/v1/collections/mri-2026/objects?limit=1000"
    server.answers[path] = (200, {"objects": ids[:2], "next": ids[1]})
    server.answers[f"{path}&after={ids[1]}"] = (200, {"objects": ids[2:], "next": None})
    assert [str(one) for one in driver_to(server).list("mri-2026")] == ids


def test_list_that_does_not_advance_is_refused_instead_of_running_for_ever(serve, driver_to):
    server = serve()
    path = "/internal/v1/collections/mri-2026/objects?limit=1000"
    page = {"objects": [str(UPLOAD)], "next": str(UPLOAD)}
    server.answers[path] = server.answers[f"{path}&after={UPLOAD}"] = (200, page)
    with pytest.raises(errors.StorageAnswerBad):
        list(driver_to(server).list("mri-2026"))


def test_what_is_used_is_asked_for_many_collections_in_several_questions(serve, driver_to):
    server, one = serve(), {"objects": 1, "bytes": 2}
    slugs = [f"c-{number:02}" for number in range(51)]
    for asked in (slugs[:50], slugs[50:]):
        path = "/internal/v1/usage?sub=u_42&" + "&".join(f"collection={slug}" for slug in asked)
        server.answers[path] = (200, {"person": one, "collections": {slug: {"collection": one, "person_here": one} for slug in asked}})
    used = driver_to(server).used("u_42", slugs)
    assert used["person", None] == used["collection", "c-50"] == used["person_here", "c-00"] == one and len(used) == 103
    server.answers["/internal/v1/usage?"] = (200, {"person": None, "collections": {}})
    server.answers["/internal/v1/usage?collection=c-00"] = (200, {"person": None, "collections": {"c-00": {"collection": {"bytes": "x"}}}})
    with pytest.raises(errors.StorageAnswerBad):
        driver_to(server).used(None, ["c-00"])


def test_delete_says_whether_there_was_something(serve, driver_to):
    server = serve()
    server.answers[f"/internal/v1/objects/{UPLOAD}"] = (204, None)
    driver = driver_to(server)
    assert driver.delete(UPLOAD) is None
    with pytest.raises(errors.ObjectUnknown):
        driver.delete(uuid.UUID(int=7))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {}, errors.StorageRefused),
        (401, {}, errors.StorageRefused),
        (500, {}, errors.StorageUnreachable),
        (503, {}, errors.StorageUnreachable),
        (302, {}, errors.StorageAnswerBad),
        (404, {"code": "not_found"}, errors.StorageAnswerBad),  # another listener, or another server
        (404, b"<html>", errors.StorageAnswerBad),
        (200, [], errors.StorageAnswerBad),
        (200, b"not JSON", errors.StorageAnswerBad),
        (200, {"size": 1}, errors.StorageAnswerBad),
        (200, json.dumps(METADATA).encode().ljust((1 << 20) + 1), errors.StorageAnswerBad),
    ],
)
def test_each_bad_answer_has_its_error(serve, driver_to, status, body, error):
    server = serve()
    server.answers[f"/internal/v1/objects/{UPLOAD}"] = (status, body)
    with pytest.raises(error):
        driver_to(server).metadata(UPLOAD)


def test_server_of_another_name_is_not_spoken_to(serve, driver_to, tmp_path, pki):
    cert, key = pki.inside.issue("impostor", "nginx.web.sluice.internal", server=True)
    server = serve(cert=cert, key=key)
    with pytest.raises(errors.StorageUnreachable):
        driver_to(server).exists(UPLOAD)
    assert server.asked == []


def test_server_of_another_authority_is_not_spoken_to(serve, driver_to, tmp_path):
    cert, key = Authority(tmp_path / "other", "another authority").issue("services", NAME, server=True)
    server = serve(cert=cert, key=key)
    with pytest.raises(errors.StorageUnreachable):
        driver_to(server).exists(UPLOAD)
    assert server.asked == []


def test_older_tls_than_1_3_is_not_spoken(serve, driver_to):
    server = serve(tls=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(errors.StorageUnreachable):
        driver_to(server).exists(UPLOAD)
    assert server.asked == []


def test_silence_is_unreachable(driver_to):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        class Closed:
            server_port = nobody.getsockname()[1]

        with pytest.raises(errors.StorageUnreachable):
            driver_to(Closed).exists(UPLOAD)


def test_driver_has_no_way_to_carry_bytes():
    public = {name for name in dir(RemoteStorageDriver) if not name.startswith("_")}
    assert public == {"exists", "size", "metadata", "list", "delete", "add_collection", "used"}
    # The transport beneath takes a method, a path and a query: no body.
    code = InternalApi.ask.__code__
    assert code.co_varnames[: code.co_argcount] == ("self", "method", "path", "query")
    assert "body" not in code.co_names + code.co_varnames


def test_a_changed_key_or_certificate_is_used_by_the_next_question_and_a_bad_one_is_not(pki, settings, tmp_path, monkeypatch):
    key, certificate, private = tmp_path / "key", tmp_path / "web-app.crt", tmp_path / "web-app.key"
    key.write_text("o" * 43)
    certificate.write_bytes(pki.web_app_cert.read_bytes())
    private.write_bytes(pki.web_app_key.read_bytes())
    monkeypatch.setenv("INTERNAL_API_KEY_FILE", str(key))
    settings.SERVICES_CA_FILE = pki.inside_ca
    settings.INTERNAL_CLIENT_CERT_FILE, settings.INTERNAL_CLIENT_KEY_FILE = certificate, private
    monkeypatch.setattr(watched, "LOOK_EVERY", 0.0)
    internal_api.forget()
    with Services(pki) as services:
        threading.Thread(target=services.serve_forever, daemon=True).start()
        settings.SERVICES_URL = f"https://127.0.0.1:{services.server_address[1]}"
        services.answers[f"/internal/v1/objects/{UPLOAD}"] = (200, METADATA)

        def sent() -> tuple[str, list[str]]:
            assert RemoteStorageDriver().exists(UPLOAD)
            return services.asked[-1]["headers"]["Authorization"][7:8], services.asked[-1]["peer"]

        assert sent() == ("o", [WEB_APP_NAME])
        key.write_text(f"{'o' * 43}\n{'n' * 43}")
        assert sent()[0] == "n"
        key.write_text("short")
        assert sent()[0] == "n" and internal_api.is_refused
        key.write_text("m" * 43)
        private.write_bytes(pki.nginx_key.read_bytes())  # of another certificate
        assert sent() == ("n", [WEB_APP_NAME])
        certificate.write_bytes(pki.nginx_cert.read_bytes())
        assert sent() == ("m", [NGINX_NAME]) and not internal_api.is_refused
        services.shutdown()
    internal_api.forget()
