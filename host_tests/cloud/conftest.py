"""One cloud for all tests of this folder, made good again before each of them."""

import pytest
from cloud_recorder import Recorder

from tools.cloud import Cloud


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory):
    with Cloud.start(tmp_path_factory.mktemp("cloud"), rate_limits=False) as running:
        yield running


@pytest.fixture
def cloud(running_cloud):
    running_cloud.reset()
    running_cloud.log.clear()
    yield running_cloud
    running_cloud.reset()


@pytest.fixture
def recorder(cloud):
    made = Recorder(cloud)
    yield made
    made.close()


@pytest.fixture
def another_recorder(cloud):
    made = Recorder(cloud)
    yield made
    made.close()


@pytest.fixture
def operator(cloud):
    with cloud.operator() as client:
        yield client
