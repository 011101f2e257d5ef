import pytest

from tests.infra import engine


@pytest.fixture(scope="session")
def docker():
    """docker answers, and both images are there."""
    engine.need()
    engine.images()


@pytest.fixture(scope="session")
def big_file(tmp_path_factory):
    """(path, SHA-256) of 327 MiB."""
    path, digest = engine.big_file(tmp_path_factory.mktemp("big"))
    yield path, digest
    path.unlink()
