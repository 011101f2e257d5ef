"""Whose address is believed (config/middleware.py)."""

import pytest
from django.test import RequestFactory

from web_app.config.middleware import NginxPeer


def seen(**meta):
    request = RequestFactory().get("/", **meta)
    return NginxPeer(lambda request: request.META)(request)


def test_on_the_unix_socket_the_address_is_what_nginx_says():
    assert seen(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="192.0.2.7")["REMOTE_ADDR"] == "192.0.2.7"
    assert seen(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="2001:DB8::7")["REMOTE_ADDR"] == "2001:db8::7"


def test_of_several_addresses_only_the_last_is_nginxs():
    assert seen(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="10.0.0.1, 192.0.2.7")["REMOTE_ADDR"] == "192.0.2.7"


@pytest.mark.parametrize("text", ["", "unknown", "Jane-Doe.zip", "192.0.2.7:80", "1' OR 1"])
def test_what_is_no_address_is_dropped(text):
    assert seen(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR=text)["REMOTE_ADDR"] == ""


def test_over_tcp_nothing_forwarded_is_believed():
    meta = seen(REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="10.0.0.1")
    assert meta["REMOTE_ADDR"] == "192.0.2.1"
    assert "HTTP_X_FORWARDED_FOR" not in meta
