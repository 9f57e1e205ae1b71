"""The bench of update_bench.py as fixtures; the keys are made once."""

import pytest
from update_bench import Flash, Maker


@pytest.fixture(scope="session")
def maker(tmp_path_factory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture
def flash(tmp_path, maker) -> Flash:
    return Flash(tmp_path / "flash", maker)
