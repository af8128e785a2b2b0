"""A run that keeps everything that Spark wrote to disk: python -m support.canary_run WORK ARGUMENTS…

The event log is on, nothing is compressed, shuffles and spills are forced, and nothing is cleaned up; at the
end the JVM is killed, so that its shutdown deletes nothing either. The session key, which no test could know
otherwise, is written to WORK/run-keys.json.
"""

import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from reseal.app import Run
from reseal.arguments import parse

CONF = {
    "spark.ui.enabled": "false",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.cleaner.referenceTracking": "false",
    "spark.shuffle.compress": "false",
    "spark.shuffle.spill.compress": "false",
    "spark.broadcast.compress": "false",
    "spark.shuffle.spill.numElementsForceSpillThreshold": "100",
    "spark.shuffle.sort.bypassMergeThreshold": "1",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.sortMergeJoinExec.buffer.spill.threshold": "1",
    "spark.sql.sortMergeJoinExec.buffer.in.memory.threshold": "1",
    "spark.sql.shuffle.partitions": "3",
    "spark.sql.maxPlanStringLength": "1000000",
    "spark.sql.debug.maxToStringFields": "1000",
}


def main(work: Path, argv: list[str]) -> None:
    builder = SparkSession.builder.master("local[2,4]")
    places = {"spark.local.dir": str(work / "local"), "spark.eventLog.dir": str(work / "events")}
    for name, value in (CONF | places).items():
        builder = builder.config(name, value)
    (work / "events").mkdir()
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("INFO")
    application: Any = Run(spark, parse(argv))
    # The scratch folder, which holds the keys under the session key, is to be searched as well.
    application._clean = lambda: None
    application.run()
    session = base64.b64encode(application._session.value).decode()
    (work / "run-keys.json").write_text(json.dumps([session]))
    context: Any = spark.sparkContext
    os.kill(context._gateway.proc.pid, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
