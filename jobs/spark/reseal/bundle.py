"""Finds the bundled wheels where Spark unpacked them.

Archives of a batch are promised to executors only, so modules that need a bundled package are imported by
tasks, after `activate()`, and never by the driver.
"""

import sys
from pathlib import Path

from pyspark import SparkFiles

# Stands in the root of the archive that tools/bundle.ts makes.
MARKER = "reseal-wheels.txt"


def activate() -> None:
    """Puts the bundle first on the module path: the runtime may carry older packages of the same names.

    Where no archive was unpacked (tests, a local Spark), the packages of the environment serve.
    """
    root = Path(SparkFiles.getRootDirectory())
    for marker in root.glob(f"*/{MARKER}"):
        place = str(marker.parent)
        if place not in sys.path:
            sys.path.insert(0, place)
