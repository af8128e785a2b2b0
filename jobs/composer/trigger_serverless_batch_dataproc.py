"""Starts a stack's workflow every day and waits for it: the DAG for those who keep Cloud Composer.

The stack that puts this file into an environment's bucket puts its parameters beside it, as JSON. What used
to be Airflow variables are settings of the stack now (docs/from-composer.md); the row limit alone can still
be a variable, as it is a run's and not the stack's.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import WorkflowsCreateExecutionOperator
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor

PARAMETERS = json.loads(Path(__file__).with_suffix(".json").read_text())

# projects/PROJECT/locations/LOCATION/workflows/WORKFLOW
_, PROJECT, _, LOCATION, _, WORKFLOW = PARAMETERS["workflow"].split("/")

# The run's id comes from the DAG run, so that a task that is tried or cleared again goes on with the run that
# it started. Rendered when the task runs: a DAG file must not read variables when it is parsed.
ARGUMENT = (
    '{%- set limit = var.value.get("dataproc_bigquery_read_limits", "") -%}'
    '{"run_id": "composer-{{ ts_nodash | lower }}"'
    '{%- if limit %}, "limit": {{ limit | int }}{% endif -%}'
    "}"
)

with DAG(
    dag_id="trigger-serverless-batch-dataproc",
    description="Re-encrypts the values that the application has written since yesterday",
    schedule="@daily",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["dataproc", "serverless", "bigquery"],
) as dag:
    start = WorkflowsCreateExecutionOperator(
        task_id="start-workflow",
        project_id=PROJECT,
        location=LOCATION,
        workflow_id=WORKFLOW,
        execution={"argument": ARGUMENT},
    )

    # The execution's id is an XCom of its own; the return value is the whole execution.
    wait = WorkflowExecutionSensor(
        task_id="wait-for-workflow",
        project_id=PROJECT,
        location=LOCATION,
        workflow_id=WORKFLOW,
        execution_id="{{ ti.xcom_pull(task_ids='start-workflow', key='execution_id') }}",
        mode="reschedule",
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
    )

    start >> wait
