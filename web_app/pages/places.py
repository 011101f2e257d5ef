"""Lists and exports are made one after the other for each person, and so many at once for all: they are what costs web_app most."""

import time
from collections.abc import Callable, Iterable
from functools import wraps

from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from web_app.config.places import EXPORTS, LISTS


def in_turn(view):
    """For a view of somebody who is signed in. Raises TooManyAtOnce or WebBusy."""

    @wraps(view)
    def one_of_few(request, *args, **kwargs):
        with LISTS.taken(request.user.pk):
            return view(request, *args, **kwargs)

    return one_of_few


class Over(Exception):
    """An export was cut off: its reader may not have it any more, or takes too long. What was sent is seen to be no whole one."""


class Export:
    """Holds a place from the first line to the last, or until its reader has gone: Django closes what it streams.

    What is read meanwhile is of that moment, so it is asked again and again whether this person still may; and the database cannot tidy
    up behind the first line, so there is an end.
    """

    LOOK_EVERY = 5.0  # seconds
    AT_MOST = 3600.0  # seconds, for all of it
    ONE_LINE = 30.0  # seconds, until a line that is sent has found room

    def __init__(self, request: HttpRequest, parts: Iterable[bytes], may: Callable[[AbstractBaseUser], bool]):
        """`may` this person, who is looked up anew each time? Raises TooManyAtOnce or WebBusy."""
        EXPORTS.take(request.user.pk)
        self._request, self._person, self._parts, self._may, self._is_open = request, request.user.pk, iter(parts), may, True
        now = time.monotonic()
        self._look_at, self._until = now + self.LOOK_EVERY, now + self.AT_MOST
        if connection := request.META.get("gunicorn.socket"):
            connection.settimeout(self.ONE_LINE)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            self._look()
            return next(self._parts)
        except BaseException:  # the end, too
            self.close()
            raise

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self.LOOK_EVERY
        if now >= self._until or not self._may(_still_signed_in(self._request)):
            raise Over

    def close(self):
        if self._is_open:
            self._is_open = False
            EXPORTS.give_back(self._person)


def _still_signed_in(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    return get_user(request) if request.session.exists(request.session.session_key) else AnonymousUser()
