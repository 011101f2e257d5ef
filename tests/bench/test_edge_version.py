"""ADR 0005, as the running edge shows it."""

import socket
import ssl


def test_the_edge_speaks_http_1_1_to_a_client_that_would_rather_have_http_2(stack):
    context = ssl.create_default_context(cafile=stack.keys.edge_ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", stack.edge_port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as wire:
            assert wire.selected_alpn_protocol() == "http/1.1"
