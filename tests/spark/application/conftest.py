"""One local Spark for all tests that do not need their own, and for each test keys and a Cloud KMS."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from support.fake_kms import FakeKms
from support.local_spark import local_spark
from support.tables import World


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = local_spark()
    yield session
    session.stop()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def kms(world: World) -> Iterator[FakeKms]:
    server = FakeKms(world.kms_keys())
    yield server
    server.close()
