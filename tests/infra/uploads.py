"""One upload through a deployment, by curl, as an operator tries it; and what its receipt says."""

import dataclasses
import json
import shlex
import subprocess
from pathlib import Path

import joserfc.jwk
import joserfc.jws

from tests.infra.engine import run


@dataclasses.dataclass(frozen=True)
class Edge:
    """A deployment as seen from outside: `resolve` leads its name to where it is (curl's --resolve)."""

    url: str
    ca: Path
    api_key: str
    resolve: tuple[str, ...] = ()

    def curl(self, path: str, *options: str, seconds: int = 300) -> tuple[int, dict]:
        """Status and JSON body."""
        done = run(
            *("curl", "-q", "--silent", "--cacert", str(self.ca), "--max-time", str(seconds), *self.resolve),
            *("--write-out", "\n%{http_code}", *options, self.url + path),
            check=False,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body.startswith("{") else {}

    def api(self, path: str, body: dict | None = None) -> tuple[int, dict]:
        options = ["--header", f"Authorization: Bearer {self.api_key}"]
        return self.curl(path, *options, *(["--json", json.dumps(body)] if body is not None else []))

    def put(self, collection: str, file: Path) -> tuple[int, dict]:
        status, grant = self.api("/api/v1/uploads", {"collection": collection})
        assert status == 201, grant
        headers = ("--header", f"Authorization: Bearer {grant['token']}")
        headers += ("--header", f'Content-Disposition: attachment; filename="{file.name}"')
        return self.curl("/u", *headers, "--upload-file", str(file))

    def receipt(self, upload: dict) -> dict:
        """Its claims, after a look at the signature with the published keys; web_app takes it too."""
        status, published = self.api("/api/v1/receipt-keys")
        assert status == 200
        keys = joserfc.jwk.KeySet.import_key_set(published)
        signed = joserfc.jws.deserialize_compact(upload["receipt"], keys, algorithms=["Ed25519"])
        assert signed.headers()["typ"] == "upload-receipt+jwt"
        status, grant = self.api("/api/v1/receipts", {"receipt": upload["receipt"]})
        assert (status, grant.get("state")) == (200, "complete")
        return json.loads(signed.payload)


def slow_upload(edge: Edge, until: Path) -> subprocess.Popen:
    """curl with a body that goes on, at 64 KiB a second, until that file is there. Its output is the status."""
    status, grant = edge.api("/api/v1/uploads", {"collection": "demo"})
    assert status == 201
    command = ["curl", "-q", "-s", "--cacert", str(edge.ca), *edge.resolve, "-w", "%{http_code}", "-o", "/dev/null"]
    command += ["-H", f"Authorization: Bearer {grant['token']}", "-H", 'Content-Disposition: attachment; filename="slow.bin"']
    body = f"until test -e {shlex.quote(str(until))}; do head -c 65536 /dev/urandom; sleep 1; done"
    command += ["-T", "-", edge.url + "/u"]
    return subprocess.Popen(["sh", "-c", f"({body}) | {shlex.join(command)}"], stdout=subprocess.PIPE, text=True)
