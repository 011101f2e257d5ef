"""The `setup` service of docker-compose.yml: development keys, each where its one reader finds it, and nginx's site.conf.

    /keys/authority      everything, as dev/pki.py makes it; mounted nowhere else
    /keys/nginx          site.conf, the certificates of the edge and nginx's client certificate
    /keys/web_app        its client certificate, the token key, the receipts' public key, two secrets
    /keys/services_app   its certificate, the receipt key, the tokens' public key, one secret, a certificate for health checks
    /keys/database       PostgreSQL's certificate and each tier's password there; without docker-compose.postgresql.yml nobody reads it

Whatever is still good is kept. A file belongs to its reader's group and is readable by nobody else.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

from dev import pki, site

KEYS = Path("/keys")
SEEN_AT = Path("/etc/sluice")  # where each container mounts its folder
GROUPS = {"nginx": 10001, "web_app": 10002, "services_app": 10003, "database": 10004}
EDGE_PORT = 8443
HEALTH_NAME = "health.services.sluice.internal"
DATABASE_NAME = "database.sluice.internal"


def main() -> int:
    keys = pki.Pki(KEYS / "authority")
    health_cert, health_key = keys.inside.issue("health", HEALTH_NAME)
    database_cert, database_key = keys.inside.issue("database", DATABASE_NAME, server=True)
    passwords = {tier: pki.secret(KEYS / "authority" / "secrets" / f"database-{tier}") for tier in ("web", "services")}
    copies = {
        "nginx": {
            "edge.crt": keys.edge_cert,
            "edge.key": keys.edge_key,
            "edge-ca.crt": keys.edge_ca,
            "inside-ca.crt": keys.inside_ca,
            "client.crt": keys.nginx_cert,
            "client.key": keys.nginx_key,
        },
        "web_app": {
            "client.crt": keys.web_app_cert,
            "client.key": keys.web_app_key,
            "inside-ca.crt": keys.inside_ca,
            "token-private.jwks": keys.token_private,
            "receipt-public.jwks": keys.receipt_public,
            "internal-api-key": keys.internal_api_key,
            "secret-key": keys.secret_key,
        },
        "services_app": {
            "services.crt": keys.services_cert,
            "services.key": keys.services_key,
            "inside-ca.crt": keys.inside_ca,
            "token-public.jwks": keys.token_public,
            "receipt-private.jwks": keys.receipt_private,
            "internal-api-key": keys.internal_api_key,
            "health.crt": health_cert,
            "health.key": health_key,
        },
        "database": {
            "server.crt": database_cert,
            "server.key": database_key,
            "web-password": passwords["web"],
            "services-password": passwords["services"],
        },
    }
    for reader, files in copies.items():
        for name, source in files.items():
            _hand_over(reader, name, source.read_bytes())
    _hand_over("nginx", "site.conf", _site().encode())
    _hand_over("web_app", "database-url", _database_url("web", passwords["web"]))
    _hand_over("services_app", "database-url", _database_url("services", passwords["services"]))
    print("Keys and site.conf are in place.")
    return 0


def _site() -> str:
    at = SimpleNamespace(
        nginx_cert=SEEN_AT / "client.crt",
        nginx_key=SEEN_AT / "client.key",
        inside_ca=SEEN_AT / "inside-ca.crt",
        edge_cert=SEEN_AT / "edge.crt",
        edge_key=SEEN_AT / "edge.key",
    )
    return site.render(
        Path("nginx/site.example.conf"),
        port=EDGE_PORT,
        web_socket=Path("/run/sluice/web.sock"),
        uploads_port=8001,
        control_port=8002,
        keys=at,
        # Of the container; docker-compose.yml says who reaches it.
        listen=("", "[::]:"),
        services=(os.environ["UPLOADS_ADDRESS"], os.environ["CONTROL_ADDRESS"]),
    )


def _database_url(tier: str, password: Path) -> bytes:
    at = f"{DATABASE_NAME}/sluice_{tier}?sslmode=verify-full&sslrootcert={SEEN_AT / 'inside-ca.crt'}"
    return f"postgres://sluice_{tier}:{password.read_text().strip()}@{at}\n".encode()


def _hand_over(reader: str, name: str, content: bytes) -> None:
    path = KEYS / reader / name
    if path.exists() and path.read_bytes() == content:
        return
    pki.write_private(path, content)
    os.chown(path, -1, GROUPS[reader])
    path.chmod(0o640)


if __name__ == "__main__":
    sys.exit(main())
