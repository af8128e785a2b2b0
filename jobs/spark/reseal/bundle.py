"""Finds the bundled wheels where Spark unpacked them.

Dataproc unpacks a batch's archives for executors only. Modules that need a bundled package are therefore
imported by tasks, after `activate()`, and never by the driver.
"""

import sys
from pathlib import Path

from pyspark import SparkFiles

# A file in the root of the archive that tools/python/make_bundle.py writes.
MARKER = "reseal-wheels.txt"


def activate() -> None:
    """Puts the bundle first on the module path: the runtime may have older packages of the same names.

    Where no archive was unpacked (tests, a local Spark), the environment's own packages are used.
    """
    root = Path(SparkFiles.getRootDirectory())
    for marker in root.glob(f"*/{MARKER}"):
        place = str(marker.parent)
        if place not in sys.path:
            sys.path.insert(0, place)
