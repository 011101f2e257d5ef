"""site.conf of a stack, made from nginx/site.example.conf: the same lines with this machine's values.

Made from the example rather than written beside it, so that demo and compose cannot drift from what operators copy.
"""

import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol


class Certificates(Protocol):
    """Where nginx finds them (dev/pki.py's Pki, or the same files in another place)."""

    nginx_cert: Path
    nginx_key: Path
    inside_ca: Path
    edge_cert: Path
    edge_key: Path


def render(
    example: Path,
    *,
    port: int,
    web_socket: Path,
    uploads_port: int,
    control_port: int,
    keys: Certificates,
    origins: Iterable[str] = (),
    listen: tuple[str, str] = ("127.0.0.1:", "[::1]:"),
    services: tuple[str, str] = ("127.0.0.1", "127.0.0.1"),
) -> str:
    """`origins`: whose pages may upload (maps/cross-origin.conf). `listen`: what stands before the port, for IPv4 and IPv6; by
    default this machine only, since a demo is not for the network. `services`: addresses of the uploads and control listeners.

    Raises ValueError when the example no longer holds something that has to be replaced.
    """
    text = example.read_text()
    replacements = {
        "listen 443 ssl": f"listen {listen[0]}{port} ssl",
        "listen [::]:443 ssl": f"listen {listen[1]}{port} ssl",
        "upload.example.org": "localhost",
        "unix:/run/sluice/web.sock": f'"unix:{web_socket}"',
        "192.0.2.10:8001": f"{services[0]}:{uploads_port}",
        "192.0.2.10:8002": f"{services[1]}:{control_port}",
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
    return text if _has_ipv6() else re.sub(r"^ *listen \[::1?\]:.*\n", "", text, flags=re.MULTILINE)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
