"""How many files a listener may open. Its own bounds lie below the platform's, or it does not start (ADR 0022)."""

import resource
import sys

_FOR_ONE_REQUEST = 10  # its connection, the staged file and its folders, the database's three
_FOR_THE_REST = 200


def provide(connections: int, threads: int) -> None:
    """Raise the soft limit to what so many connections and running requests may need. Ends the process where the hard limit forbids it."""
    needed = connections + threads * _FOR_ONE_REQUEST + _FOR_THE_REST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        if resource.RLIM_INFINITY != hard < needed:
            sys.exit(
                f"services_app cannot start: it may open {hard} files and needs {needed} for its threads and connections. "
                f"Set LimitNOFILE={needed} in its unit (ulimit -n {needed} in a shell), or fewer threads."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
