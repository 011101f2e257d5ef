"""site.conf of a stack, made from nginx/site.example.conf: the same lines with this machine's values.

Made from the example rather than written beside it, so that the demo cannot drift from what operators copy.
"""

import re
import socket
from collections.abc import Iterable
from pathlib import Path

from dev.pki import Pki


def render(
    example: Path,
    *,
    port: int,
    web_socket: Path,
    uploads_port: int,
    control_port: int,
    keys: Pki,
    origins: Iterable[str] = (),
) -> str:
    """`origins`: whose pages may upload (maps/cross-origin.conf).

    Raises ValueError when the example no longer holds something that has to be replaced.
    """
    text = example.read_text()
    replacements = {
        # This machine only: a demo is not for the network.
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen [::]:443 ssl": f"listen [::1]:{port} ssl",
        "upload.example.org": "localhost",
        "unix:/run/sluice/web.sock": f'"unix:{web_socket}"',
        "192.0.2.10:8001": f"127.0.0.1:{uploads_port}",
        "192.0.2.10:8002": f"127.0.0.1:{control_port}",
        "pki/nginx-client.crt": f'"{keys.nginx_cert}"',
        "pki/nginx-client.key": f'"{keys.nginx_key}"',
        "pki/inside-ca.crt": f'"{keys.inside_ca}"',
        "pki/edge.crt": f'"{keys.edge_cert}"',
        "pki/edge.key": f'"{keys.edge_key}"',
        "    default 0;\n": "    default 0;\n" + "".join(f'    "{origin}" 1;\n' for origin in origins),
    }
    for place, value in replacements.items():
        if place not in text:
            raise ValueError(f"{example.name} no longer holds {place}: adapt dev/site.py")
        text = text.replace(place, value)
    return text if _has_ipv6() else re.sub(r"^ *listen \[::1\]:.*\n", "", text, flags=re.MULTILINE)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
