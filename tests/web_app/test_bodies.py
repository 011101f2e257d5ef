"""No file comes this way: what could carry one is refused before a byte of it is read (invariant 1)."""

import encodings
import io

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.core.handlers.wsgi import WSGIHandler
from django.db import models

from web_app.config.content_type import without_parameters

pytestmark = pytest.mark.django_db


class Untouchable(io.RawIOBase):
    """A body that fails the test when somebody reads it."""

    def readable(self):
        return True

    def readinto(self, buffer):
        raise AssertionError("the body was read")


def ask(application=None, **headers):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/accounts/login/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "HTTP_HOST": "localhost",
        "HTTP_X_FORWARDED_PROTO": "https",
        "wsgi.url_scheme": "https",
        "wsgi.input": Untouchable(),
        **headers,
    }
    said = {}

    def start_response(status, fields):
        said["status"], said["type"] = int(status.split()[0]), dict(fields)["Content-Type"]

    body = b"".join((application or WSGIHandler())(environ, start_response))
    return said["status"], said["type"], body


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/accounts/login/", "/", "/admin/"])
def test_multipart_is_refused_everywhere_unread(path):
    status, kind, body = ask(PATH_INFO=path, CONTENT_TYPE="Multipart/form-data; boundary=x", CONTENT_LENGTH="100")
    assert (status, kind) == (415, "application/problem+json")
    assert b'"multipart_refused"' in body


def test_body_over_16_kib_is_refused_unread():
    status, _, body = ask(CONTENT_TYPE="application/json", CONTENT_LENGTH="16385")
    assert status == 413
    assert b'"body_too_large"' in body


def test_body_without_a_length_is_refused_unread():
    status, _, body = ask(CONTENT_TYPE="application/json", HTTP_TRANSFER_ENCODING="chunked")
    assert status == 411
    assert b'"length_required"' in body


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "+5"])
def test_senseless_length_is_refused_unread(length):
    assert ask(CONTENT_TYPE="application/json", CONTENT_LENGTH=length)[0] == 400


def test_body_of_exactly_16_kib_is_read(key_api, person, collection):
    body = '{"collection": "mri-2026"}'.ljust(16 * 1024)
    assert key_api(person).post("uploads", body).status_code == 201
    assert key_api(person).post("uploads", body + " ").status_code == 413


def test_django_has_no_upload_handler_and_no_file_field():
    assert configured.FILE_UPLOAD_HANDLERS == []
    fields = [field for model in apps.get_models() for field in model._meta.get_fields()]
    assert fields
    assert not [field for field in fields if isinstance(field, models.FileField)]


@pytest.mark.parametrize("kind", ["text/plain; charset=hex", "text/plain; charset=none-{}", "text/plain; a*=none'x'%41", ";;", "a,b;c=d,e"])
def test_what_a_type_says_of_its_text_is_not_heard(kind):
    """Django looks up each charset, and Python remembers for ever that it does not know one: anybody could fill the memory with them."""
    before = len(encodings._cache)
    for number in range(3):
        asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/accounts/login/", "QUERY_STRING": "next=%2F", "CONTENT_TYPE": kind.format(number)}
        status, _, _ = ask(without_parameters(WSGIHandler()), **asked)
        assert status == 200
    assert len(encodings._cache) == before
