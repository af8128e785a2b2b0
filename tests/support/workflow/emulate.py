"""Runs a Cloud Workflows definition in PyPI's workflows-emulator.

Standard input: {"deployed": the YAML, held against the schema of definitions, "source": the same with
endpoints and delays of the test, "args": the execution's argument, "execution": its id}; standard output:
{"result": what main returned} or {"error": what it raised}, and "entries": those that it wrote.
The emulator's log goes to the file that EMULATOR_LOG names.
"""

import functools
import io
import json
import logging
import os
import sys
from typing import Any

import yaml
from jsonschema import validate
from workflows_emulator.lib import http_utils, sys_utils
from workflows_emulator.main import WORKFLOW_SCHEMA, execute_workflow
from workflows_emulator.utils import ContextDict, WorkflowError


class Subworkflow(dict[str, Any]):
    """A definition that expressions share.

    For each expression the emulator copies everything in scope twice, all subworkflows among it: two
    thirds of its time.
    """

    def __deepcopy__(self, _memo: object) -> "Subworkflow":
        return self


def spare_time() -> None:
    hook = ContextDict._hook
    ContextDict._hook = staticmethod(lambda item: item if isinstance(item, Subworkflow) else hook(item))
    # One token serves all requests; the emulator would read the key and ask for another each time.
    http_utils.default = functools.cache(http_utils.default)


def logged() -> list[dict[str, Any]]:
    """Returns the list that from now on takes each structured entry; the emulator's own are texts."""
    entries: list[dict[str, Any]] = []

    def log(**entry: object) -> None:
        if "json" in entry:
            entries.append(entry)

    sys_utils.log = log
    return entries


def run(deployed: str, source: str, args: object, execution: str) -> dict[str, Any]:
    os.environ["GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID"] = execution
    validate(yaml.safe_load(deployed), WORKFLOW_SCHEMA)
    workflow = {name: Subworkflow(body) for name, body in yaml.safe_load(source).items()}
    entries = logged()
    try:
        return {"result": execute_workflow(workflow, {"args": args}), "entries": entries}
    except WorkflowError as error:
        payload: Any = error.payload
        return {"error": payload if isinstance(payload, str) else payload.to_dict(), "entries": entries}


if __name__ == "__main__":
    if "EMULATOR_LOG" in os.environ:
        logging.basicConfig(level=logging.INFO, filename=os.environ["EMULATOR_LOG"])
    else:
        logging.disable()
    spare_time()
    json.dump(run(**json.load(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"))), sys.stdout)
