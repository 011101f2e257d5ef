"""One member takes every place, with requests that send next to nothing: the others still find theirs."""

from tests.abuse.slow import answered, slow
from tests.waiting import wait_for

PLACES = 32  # UPLOAD_MAX_CONCURRENT


def running(stack) -> int:
    return len(stack.staged())


def test_a_person_who_takes_all_places_gets_a_share_and_the_bystander_is_served(own, bystander):
    with slow(own) as greedy:
        connections = []
        for number in range(PLACES + 4):
            before = running(own)
            connections.append(greedy.put(number))
            if len(connections) <= PLACES // 2:
                wait_for(lambda before=before: running(own) > before)
        told = answered(connections[-1])
        assert bystander.uploads()
        assert b" 429 " in told.splitlines()[0] and b"share_taken" in told and b"Retry-After: 10" in told, told
        assert running(own) == PLACES // 2
    wait_for(lambda: running(own) == PLACES // 2)  # what came is kept for whoever comes back
