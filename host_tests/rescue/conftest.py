"""One cloud and one factory of boards for all tests of this folder."""

import pytest

from host_tests.rescue.bench import Factory
from tools.cloud import Cloud
from tools.sim.board import find_micropython


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    if find_micropython() is None:
        pytest.skip("no MicroPython unix port for this platform (set MICROPYTHON)")
    folder = tmp_path_factory.mktemp("rescue")
    with Cloud.start(folder / "cloud", rate_limits=False) as cloud:
        yield Factory.open(cloud, folder)
