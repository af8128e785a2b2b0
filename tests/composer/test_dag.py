"""The DAG under a real Airflow with its Google provider; only Google's API clients are replaced."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from airflow.models import DagBag, Variable
from airflow.providers.google.cloud.hooks.workflows import WorkflowsHook
from airflow.utils.state import DagRunState
from google.cloud.workflows.executions_v1beta import Execution

DAG_FILE = Path("jobs/composer/trigger_serverless_batch_dataproc.py")
WORKFLOW = "projects/example-data/locations/europe-west1/workflows/reseal-prod"
EXECUTION = f"{WORKFLOW}/executions/7d1e"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dags folder as the stack fills it."""
    shutil.copy(DAG_FILE, tmp_path)
    (tmp_path / DAG_FILE.with_suffix(".json").name).write_text(json.dumps({"workflow": WORKFLOW}))
    return tmp_path


@pytest.fixture
def dag(folder: Path):
    bag = DagBag(str(folder), include_examples=False)
    assert bag.import_errors == {}
    assert bag.dag_ids == ["trigger-serverless-batch-dataproc"]
    return bag.dags["trigger-serverless-batch-dataproc"]


def test_keeps_the_schedule_and_the_retries(dag) -> None:
    assert dag.schedule_interval == "@daily"
    assert not dag.catchup
    assert dag.max_active_runs == 1
    assert {"dataproc", "serverless", "bigquery"} <= set(dag.tags)
    for task in dag.tasks:
        assert task.retries == 3
        assert task.retry_delay == timedelta(seconds=30)


def test_starts_then_waits(dag) -> None:
    assert dag.get_task("start-workflow").downstream_task_ids == {"wait-for-workflow"}
    assert dag.get_task("wait-for-workflow").mode == "reschedule"


def test_does_not_touch_the_database_when_parsed(folder: Path) -> None:
    with mock.patch.object(Variable, "get", side_effect=AssertionError("read while parsing")):
        assert DagBag(str(folder), include_examples=False).import_errors == {}


def test_fails_to_import_without_its_parameters(folder: Path) -> None:
    (folder / DAG_FILE.with_suffix(".json").name).unlink()
    assert len(DagBag(str(folder), include_examples=False).import_errors) == 1


def run(dag, state: str):
    """A run of the whole DAG against a workflow whose execution ends in `state`."""
    finished = Execution(name=EXECUTION, state=getattr(Execution.State, state))
    with (
        mock.patch.object(WorkflowsHook, "create_execution", return_value=Execution(name=EXECUTION)) as create,
        mock.patch.object(WorkflowsHook, "get_execution", return_value=finished) as get,
    ):
        for task in dag.tasks:
            task.retries = 0
        dag_run = dag.test()
    return dag_run, create, get


def test_run_succeeds_with_its_workflow(dag) -> None:
    dag_run, create, get = run(dag, "SUCCEEDED")
    assert dag_run.state == DagRunState.SUCCESS
    called = create.call_args.kwargs
    assert (called["project_id"], called["location"], called["workflow_id"]) == (
        "example-data",
        "europe-west1",
        "reseal-prod",
    )
    argument = json.loads(called["execution"]["argument"])
    assert argument.keys() == {"run_id"}
    assert argument["run_id"] == f"composer-{dag_run.logical_date:%Y%m%dt%H%M%S}"
    assert get.call_args.kwargs["execution_id"] == "7d1e"


def test_limit_is_a_variable_still(dag) -> None:
    Variable.set("dataproc_bigquery_read_limits", "500")
    try:
        _, create, _ = run(dag, "SUCCEEDED")
    finally:
        Variable.delete("dataproc_bigquery_read_limits")
    assert json.loads(create.call_args.kwargs["execution"]["argument"])["limit"] == 500


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_run_fails_with_its_workflow(dag, state: str) -> None:
    dag_run, create, get = run(dag, state)
    assert (create.call_count, get.call_count) == (1, 1)
    assert dag_run.state == DagRunState.FAILED
