"""One local Spark for all tests that do not need their own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.fake_kms import FakeKms
from tests.tables import World

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = sys.executable
# Most of what a short run costs is the JVM's optimising compiler, which pays in long ones only.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# Tasks import the package by name.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    # local[2,4]: a failing task is tried again, as on a cluster.
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "4").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
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
