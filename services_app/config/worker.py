from gunicorn.workers.gthread import ThreadWorker


class DrainingWorker(ThreadWorker):
    """gunicorn's threaded worker, which closes its listeners as soon as it is told to stop.

    gunicorn's own keeps them open until its last request has ended, which for an upload may be hours: connections would
    pile up unanswered, and a successor could not bind. Closed, nginx is refused at once and tells the sender to come back.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()
