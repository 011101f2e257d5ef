"""gunicorn for the services tier: one file, two listeners.

LISTENER=uploads gunicorn -c services_app/gunicorn.conf.py services_app.config.wsgi
LISTENER=control gunicorn -c services_app/gunicorn.conf.py services_app.config.wsgi
"""

import os
import signal
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from services_app.config import descriptors, tls, watched

LISTENER = os.environ.get("LISTENER", "")
if LISTENER not in ("uploads", "control"):
    sys.exit("LISTENER must be uploads or control.")


def _file(name: str) -> str:
    path = os.environ.get(name, "")
    if not os.access(path, os.R_OK):
        sys.exit(f"{name} must name a readable PEM file.")
    return path


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        sys.exit(f"{name} must be a whole number, 1 or more.")
    return int(text)


proc_name = f"sluice-{LISTENER}"
bind = (
    os.environ.get("UPLOADS_BIND", "0.0.0.0:8001")
    if LISTENER == "uploads"
    else os.environ.get("CONTROL_BIND", "0.0.0.0:8002")
)
backlog = 1024

# One process, many threads: a thread waits in recv or in write for nearly all of an upload, without the interpreter
# lock. The sync worker would be killed by `timeout` in the middle of a long body.
worker_class = "services_app.config.worker.DrainingWorker"
workers = 1
threads = _number("UPLOAD_THREADS", 64) if LISTENER == "uploads" else _number("CONTROL_THREADS", 16)
worker_connections = threads + 1000
descriptors.provide(worker_connections, threads)
# nginx keeps no connection to the uploads listener: one that closes as a PUT arrives would be a 502.
keepalive = 0 if LISTENER == "uploads" else 75

timeout = 120
# A stop lets running uploads end. The supervisor's own limit must lie above this.
graceful_timeout = _number("GRACEFUL_TIMEOUT", 86400) if LISTENER == "uploads" else 30
# The heartbeat file must not touch a disk: one that stalls for `timeout` would end the process, and every upload in it.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
max_requests = 0  # a worker that restarts by count would cut uploads

# The token travels in a header of up to 4 KiB, a percent-encoded file name in one of up to 16.
limit_request_line = 1024
limit_request_field_size = 16384
limit_request_fields = 96  # nginx passes no more than its list has: snippets/to-services*.conf

accesslog = None  # nginx writes the access log; this tier logs events
errorlog = "-"
control_socket_disable = True
wsgi_app = "services_app.config.wsgi"

# gunicorn itself reads these once, to see that they are there; what each new connection meets is the newest (config/tls.py).
certfile, keyfile, ca_certs = _file("TLS_CERT_FILE"), _file("TLS_KEY_FILE"), _file("TLS_CLIENT_CA_FILE")
cert_reqs = ssl.CERT_REQUIRED
_tls = tls.server_context(certfile, keyfile, ca_certs)
_tls()


def ssl_context(config, default_factory):
    return _tls()


def on_starting(server):
    """Refuse to start half-configured, before a socket is open, and say how to fix it."""
    import django
    from django.core.checks import Error, run_checks
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services_app.config.settings")
    try:
        django.setup()
    except ImproperlyConfigured as exc:
        sys.exit(f"services_app cannot start: {exc}")
    errors = [problem for problem in run_checks() if problem.level >= Error("").level]
    if errors:
        sys.exit("services_app cannot start:\n" + "\n".join(f"{e.id}: {e.msg} {e.hint or ''}" for e in errors))
    watched.load_all()
    server.handle_hup = lambda: _look_at_files(server)


def _look_at_files(server):
    """What HUP means here. gunicorn's own starts new processes and waits for the old ones, deaf to everything, for as long as an upload
    lasts; everything that it would read anew is looked at by time (config/watched.py).
    """
    watched.look_now()
    server.kill_workers(signal.SIGHUP)


def post_worker_init(worker):
    """Where the bytes come in, what came is unpacked."""
    if LISTENER == "uploads":
        from services_app.uploads import unpacker

        unpacker.begin()


def worker_exit(server, worker):
    """What was counted of the last minute is told too."""
    from services_app.uploads.wire import tally

    tally.tell()
