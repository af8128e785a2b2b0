"""Takes from Google's discovery documents what the sandbox holds requests against.

usage: make_discovery.py FOLDER

The documents come with the PyPI package of discovery.txt, by version and hash. Of each API one file is
written: the methods named here, their query parameters, and the schemas that their requests lead to, without
prose.
https://developers.google.com/discovery/v1/reference/apis
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

LOCK = Path(__file__).with_name("discovery.txt")
DOCUMENTS = "googleapiclient/discovery_cache/documents"
# The methods of an API, by the beginnings of their ids after the API's name.
METHODS = {
    "bigquery.v2": ["datasets.", "jobs.", "routines.", "tabledata.", "tables."],
    "cloudkms.v1": ["projects.locations.keyRings."],
    "cloudresourcemanager.v1": [
        "projects.get",
        "projects.setIamPolicy",
        "projects.testIamPermissions",
    ],
    "cloudscheduler.v1": ["projects.locations.jobs."],
    "compute.v1": ["firewalls.insert", "networks.insert", "subnetworks.insert"],
    "dataproc.v1": ["projects.locations.batches.", "projects.regions.operations."],
    "iam.v1": ["projects.serviceAccounts."],
    "logging.v2": ["projects.metrics."],
    "monitoring.v1": ["projects.dashboards."],
    "monitoring.v3": ["projects.alertPolicies.", "projects.notificationChannels."],
    "run.v2": [
        "projects.locations.jobs.",
        "projects.locations.operations.",
    ],
    "serviceusage.v1": ["services."],
    "serviceusage.v1beta1": [
        "services.consumerQuotaMetrics.get",
        "services.consumerQuotaMetrics.list",
        "services.generateServiceIdentity",
    ],
    "storage.v1": ["buckets.", "objects."],
    "workflowexecutions.v1": ["projects.locations.workflows.executions."],
    "workflows.v1": ["projects.locations.workflows."],
}
# What a value is held against; the rest is for people.
KEPT = ("$ref", "type", "format", "enum", "repeated", "required", "minimum", "maximum")


def documents() -> Iterator[tuple[str, Json]]:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--dest", folder, "--requirement", str(LOCK)], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in METHODS:
                yield name, json.loads(archive.read(f"{DOCUMENTS}/{name}.json"))


def methods_of(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from methods_of(inner)


def shape(schema: Json) -> Json:
    kept = {key: schema[key] for key in KEPT if key in schema}
    if "properties" in schema:
        kept["properties"] = {name: shape(value) for name, value in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            kept[inner] = shape(schema[inner])
    return kept


def queries(parameters: Json) -> Json:
    return {name: shape(one) for name, one in sorted(parameters.items()) if one["location"] == "query"}


def method_of(api: Json, method: Json) -> Json:
    # `flatPath` names every variable part; where it is missing, `path` does.
    paths = [api["servicePath"] + method.get("flatPath", method["path"])]
    for protocol in method.get("mediaUpload", {}).get("protocols", {}).values():
        if "/resumable/" not in protocol["path"]:
            paths.append(protocol["path"].lstrip("/"))
    if method.get("useMediaDownloadService"):
        paths.append(f"download/{paths[0]}")
    request = method.get("request", {}).get("$ref")
    return {
        "id": method["id"],
        "method": method["httpMethod"],
        "paths": paths,
        "query": queries(method.get("parameters", {})),
        **({"request": request} if request else {}),
    }


def reached(schemas: Json, names: list[str]) -> Json:
    """The named schemas and those that they lead to."""
    found: Json = {}
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name not in found:
            found[name] = shape(schemas[name])
            open_names += re.findall(r'"\$ref": "([^"]+)"', json.dumps(found[name]))
    return dict(sorted(found.items()))


def trimmed(name: str, api: Json) -> Json:
    api_name = name.partition(".")[0]
    wanted = tuple(f"{api_name}.{prefix}" for prefix in METHODS[name])
    methods = [method_of(api, one) for one in methods_of(api) if one["id"].startswith(wanted)]
    requests = [method["request"] for method in methods if "request" in method]
    return {
        "source": f"{requirement()}, revision {api['revision']}",
        "query": queries(api["parameters"]),
        "methods": sorted(methods, key=lambda method: method["id"]),
        "schemas": reached(api["schemas"], requests),
    }


def requirement() -> str:
    """Name, version and hash of the package, as the lock has them."""
    found = re.search(r"^(\S+)==(\S+) \\\s+--hash=(\S+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK} names no package")
    name, version, digest = found.groups()
    return f"PyPI {name} {version} ({digest})"


def written(document: Json) -> str:
    """A line for each method and each schema, so that a newer version shows what it changes."""
    methods = ",\n  ".join(json.dumps(method) for method in document["methods"])
    schemas = ",\n  ".join(
        f"{json.dumps(name)}: {json.dumps(one)}" for name, one in document["schemas"].items()
    )
    return (
        f'{{\n "source": {json.dumps(document["source"])},\n "query": {json.dumps(document["query"])},\n'
        f' "methods": [\n  {methods}\n ],\n "schemas": {{\n  {schemas}\n }}\n}}\n'
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, api in documents():
        (target / f"{name}.json").write_text(written(trimmed(name, api)))
