"""The radio of the tests: four cars, their radio, and all that anybody received."""

import pytest

from tests.engine.channel.scripted_radio import Setup


@pytest.fixture
def setup(monkeypatch):
    return lambda **settings: Setup(monkeypatch, settings)
