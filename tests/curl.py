"""curl, as a person or a script would call it."""

import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Answer:
    """`exit_code` is curl's; `seconds` its time_total; `uploaded` the body bytes that it sent."""

    exit_code: int
    status: int
    seconds: float
    uploaded: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


def curl(stack, path: str, *options: str, time_limit: float = 60, stdin: bytes = b"") -> Answer:
    """One call to the edge, with its own CA and nothing else configured. An option `@-` sends `stdin`."""
    with tempfile.TemporaryDirectory() as folder:
        body, heads = Path(folder, "body"), Path(folder, "headers")
        done = subprocess.run(
            [
                *("curl", "-q", "--silent", "--cacert", str(stack.keys.edge_ca), "--max-time", str(time_limit)),
                *("--output", str(body), "--dump-header", str(heads)),
                *("--write-out", "%{http_code} %{time_total} %{size_upload}"),
                *options,
                stack.url + path,
            ],
            capture_output=True,
            input=stdin,
            check=False,
        )
        status, seconds, uploaded = done.stdout.decode().split()
        lines = heads.read_text().splitlines() if heads.exists() else []
        pairs = [line.split(": ", 1) for line in lines if ": " in line]
        return Answer(
            done.returncode,
            int(status),
            float(seconds),
            int(uploaded),
            {name.lower(): value for name, value in pairs},
            body.read_bytes() if body.exists() else b"",
        )


def bearer(token: str) -> tuple[str, str]:
    return "--header", f"Authorization: Bearer {token}"
