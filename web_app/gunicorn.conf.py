"""gunicorn for web_app: a unix socket for nginx alone. No file byte comes this way, so requests are small and short.

Start it from anywhere: gunicorn -c web_app/gunicorn.conf.py web_app.config.wsgi
"""

import os
import signal
import socket
import sys
from pathlib import Path

_root = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _root)

from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from gunicorn import systemd  # noqa: E402

from web_app.config import env, watched  # noqa: E402
from web_app.config.logs import logging_config  # noqa: E402

chdir = _root

# (1) A unix socket only. Forwarded headers (scheme, address) are believed because nobody but nginx can connect: that
#     holds for a socket that owner and group may use, and for no TCP port.
try:
    bind = env.text("WEB_BIND")
    workers = env.integer("WEB_WORKERS", 2)
    _level = env.text("LOG_LEVEL", "INFO").upper()
except ImproperlyConfigured as exc:
    sys.exit(f"web_app does not start: {exc}")
if not bind.startswith("unix:/"):
    sys.exit(
        "web_app does not start: WEB_BIND must be unix:/path/of/socket. "
        "On a TCP port others could forge X-Forwarded-For."
    )
umask = 0o007
# (2) None of gunicorn's underscore headers (SCRIPT_NAME, PATH_INFO) may override what nginx sent.
forwarder_headers = ""

worker_class = "web_app.config.worker.SteadyWorker"
# (10) More than all places for what is costly (accounts/hashing.py, config/places.py), so that others are always answered.
threads = 18
# (8) Well below the 1024 files that a process may open where nobody says otherwise.
worker_connections = 256
# (3) Loading once, before the fork, makes a failed check end gunicorn itself and not one worker after the other.
preload_app = True
timeout = 30
graceful_timeout = 20
max_requests = 0
# (4) The heartbeat file must not touch a disk, nor need a writable one.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# (5) No second way in: gunicorn >= 25 would open a control socket under $HOME.
control_socket_disable = True

# (6) nginx bounds these first (conf.d/web.conf); these are the same limits for whoever gets past it.
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190

# (7) Access lines would hold URIs; nginx writes the access log, without them.
accesslog = None
errorlog = "-"
logconfig_dict = logging_config(_level)


# (9) HUP means "look at the files now" (ADR 0021). gunicorn's own would wait for the old processes, deaf to everything.
def on_starting(server):
    _refuse_other_sockets()
    server.handle_hup = lambda: _look_at_files(server)


def _refuse_other_sockets():
    """(1) holds for sockets that the supervisor passes, too."""
    first, count = systemd.SD_LISTEN_FDS_START, systemd.listen_fds(unset_environment=False)
    for descriptor in range(first, first + count):
        with socket.socket(fileno=os.dup(descriptor)) as given:
            if given.family != socket.AF_UNIX:
                sys.exit("web_app does not start: its supervisor passed a socket that is no unix socket. See WEB_BIND.")


def _look_at_files(server):
    watched.look_now()
    server.kill_workers(signal.SIGHUP)
