"""OpenLineage's own facets and consumer scenarios: the graph that they give, however their events come."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.openlineage.reading import read_facets, read_outside_runs
from mesh_catalog.catalog.store import Catalog, open_catalog
from tests.conformance.conftest import Tell
from tests.openlineage import PRODUCER, column_flows, everything, flows, take

T1, T2 = (f"hdfs://dataproc-producer-test-m#/user/hive/warehouse/{name}" for name in ("t1", "t2"))
CLI_JOB = "default#cl_i_test_application"
CLL, CLL_JOB = "file#/tmp/cll_test", "testColumnLevelLineage#open_lineage_integration_create_table"
CTAS = f"{CLL_JOB}.execute_create_hive_table_as_select_command.default_tbl1"
WORDS = "bigquery#bigquery-public-data.samples.shakespeare"
WORDS_JOB = "default#shakespeare_on_spark.adaptive_spark_plan"
GCS, BQ = "gs://mock-bucket#{}", "bigquery#mock-project.test.{}"


def through(job: str, inputs: list[str], outputs: list[str]) -> set[tuple[str, str]]:
    return {(name, job) for name in inputs} | {(job, name) for name in outputs}


def hook(task: str, inputs: list[str], outputs: list[str]) -> set[tuple[str, str]]:
    return through(
        f"airflow#gcs_hook.{task}",
        [name if "#" in name else GCS.format(name) for name in inputs],
        [name if "#" in name else GCS.format(name) for name in outputs],
    )


GRAPHS: dict[str, set[tuple[str, str]]] = {
    "CLL": {
        (f"{CLL_JOB}.execute_create_table_command.cll_test_cll_source1", f"{CLL}/cll_source1"),
        (f"{CLL_JOB}.execute_create_table_command.cll_test_cll_source2", f"{CLL}/cll_source2"),
    }
    | through(CTAS, [f"{CLL}/cll_source1", f"{CLL}/cll_source2"], [f"{CLL}/tbl1"]),
    "airflow": through("airflow#BQ.upload", [GCS.format("copied.csv"), GCS.format("test.csv")], [BQ.format("upload")])
    | through("airflow#BQ.copy", [BQ.format("upload")], [BQ.format("upload_cp")])
    | through("airflow#BQ.download", [BQ.format("upload_cp")], [GCS.format("result.csv")])
    | hook("upload_from_file", ["file#/files/temp/data.txt"], ["uploaded_file.txt"])
    | hook("upload_for_deletion", [], ["to_be_deleted.txt"])
    | hook("delete", ["to_be_deleted.txt"], [])
    | hook("upload_from_data", [], ["uploaded_data.txt"])
    | hook("rewrite_task", ["uploaded_file.txt"], ["copy_of_uploaded_file.txt"])
    | hook("copy_task", ["uploaded_data.txt"], ["copy_of_uploaded_data.txt"])
    | hook("download_to_data", ["uploaded_data.txt"], [])
    | hook("download_to_file", ["uploaded_file.txt"], ["file#/files/temp/downloaded_file.txt"])
    | hook(
        "compose_task",
        ["uploaded_file.txt", "uploaded_data.txt", "copy_of_uploaded_data.txt", "copy_of_uploaded_file.txt"],
        ["compose_result.txt"],
    ),
    "simple_run_event": through(
        "job_namespace#job_name", ["bigquery#test.table.input"], ["bigquery#test.table.output"]
    ),
    "spark_dataproc_bigquery_shakespare": {(WORDS, WORDS_JOB)}
    | through(f"{WORDS_JOB}.outputs_1729097570970", [WORDS], ["file#/tmp/outputs/1729097570970"]),
    "spark_dataproc_simple_producer_test": through(
        f"{CLI_JOB}.execute_insert_into_hive_table.warehouse_t2", [T1], [T2]
    ),
    # both tables are dropped first: those jobs lead to rows that are gone
    "spark_dataproc_simple_producer_test_complete": through(
        f"{CLI_JOB}.execute_insert_into_hive_table.warehouse_t2", [T1], [T2]
    )
    | {
        (f"{CLI_JOB}.execute_create_table_command.warehouse_t1", T1),
        (f"{CLI_JOB}.execute_insert_into_hive_table.warehouse_t1", T1),
        (f"{CLI_JOB}.execute_create_hive_table_as_select_command.default_t2", T2),
    },
}
"""Scenario → its edges, as its scenario.md and its events say."""
RUNS = {
    "CLL": 4,
    "airflow": 16,
    "simple_run_event": 1,
    "spark_dataproc_bigquery_shakespare": 3,
    "spark_dataproc_simple_producer_test": 1,
    "spark_dataproc_simple_producer_test_complete": 7,
}


def events_of(scenario: Path) -> list[Any]:
    paths = sorted(
        scenario.glob("events/*.json"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)]
    )
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture
def catalogs(tmp_path: Path) -> Iterator[list[Catalog]]:
    found = [open_catalog(f"sqlite:///{tmp_path / f'{index}.db'}") for index in range(2)]
    yield found
    for catalog in found:
        catalog.close()


@pytest.fixture(scope="module")
def suite(shared: Path) -> Path:
    return shared / "conformance" / "openlineage"


def test_every_scenario_gives_its_graph_in_any_order_and_told_twice(
    suite: Path, tmp_path: Path, conformance: Tell
) -> None:
    scenarios = sorted(path for path in (suite / "scenarios").iterdir() if path.is_dir())
    assert {path.name for path in scenarios} == GRAPHS.keys()
    count = 0
    for scenario in scenarios:
        events = events_of(scenario)
        count += len(events)
        catalog = open_catalog(f"sqlite:///{tmp_path / scenario.name}.db")
        take(catalog, events)
        assert flows(catalog) == GRAPHS[scenario.name], scenario.name
        told = everything(catalog)
        assert len(told["openlineage_runs"]) == RUNS[scenario.name]
        mixed = events + events
        random.Random(scenario.name).shuffle(mixed)
        other = open_catalog(f"sqlite:///{tmp_path / scenario.name}-mixed.db")
        for start in range(0, len(mixed), 5):
            take(other, mixed[start : start + 5])
        assert everything(other) == told, scenario.name
        catalog.close()
        other.close()
    conformance(f"OpenLineage consumer scenarios, {count} events, their graph", len(scenarios), len(scenarios))


def test_columns_of_the_scenarios_are_what_their_queries_say(suite: Path, catalogs: list[Catalog]) -> None:
    take(catalogs[0], events_of(suite / "scenarios" / "CLL"))
    one, two, made = f"{CLL}/cll_source1", f"{CLL}/cll_source2", f"{CLL}/tbl1"
    found = column_flows(catalogs[0])
    direct = {edge for edge in found if edge[2] in ("IDENTITY", "TRANSFORMATION", "AGGREGATION")}
    assert direct == {
        (f"{one}.a", f"{made}.ident", "IDENTITY"),
        (f"{one}.b", f"{made}.trans", "TRANSFORMATION"),
        (f"{two}.c", f"{made}.agg", "AGGREGATION"),
    }
    indirect = {(source, kind) for source, _, kind in found - direct}
    expected = {(f"{one}.a", "JOIN"), (f"{two}.a", "JOIN"), (f"{one}.a", "FILTER"), (f"{two}.a", "FILTER")}
    assert indirect == expected | {(f"{one}.a", "GROUP_BY"), (f"{one}.b", "GROUP_BY")}
    # the same table by the name that Hive knows it by
    graph = lineage(catalogs[0], "file:/tmp/cll_test#default.tbl1", direction="upstream", columns=True)
    assert {node.name for node in graph.nodes if node.kind == "dataset"} == {one, two, made}
    assert graph.complete and len(graph.columns) == 10  # both keys and b reach all three columns, c reaches agg

    take(catalogs[1], events_of(suite / "scenarios" / "airflow"))
    assert {kind for *_, kind in column_flows(catalogs[1])} == {"IDENTITY"}
    (run,) = read_outside_runs(catalogs[1], "airflow#BQ.copy")
    assert (run.state, run.parent_job) == ("COMPLETE", "airflow#BQ")
    assert (set(run.inputs), set(run.outputs)) == ({BQ.format("upload")}, {BQ.format("upload_cp")})


FACETS: dict[str, tuple[str, str, Any]] = {
    "BaseSubsetDatasetFacet": ("inputFacets", "", None),
    "ColumnLineageDatasetFacet": ("output", "columnLineage", None),
    "DataQualityAssertionsDatasetFacet": ("dataset", "dataQualityAssertions", 10),
    "DataQualityMetricsDatasetFacet": ("dataset", "dataQualityMetrics", None),
    "DataQualityMetricsInputDatasetFacet": ("inputFacets", "dataQualityMetrics", None),
    "DatasetTypeDatasetFacet": ("dataset", "datasetType", {"datasetType": "VIEW", "subType": "MATERIALIZED"}),
    "DatasetVersionDatasetFacet": ("dataset", "version", {"datasetVersion": "2"}),
    "DatasourceDatasetFacet": (
        "dataset",
        "dataSource",
        {"name": "datasource_one", "uri": "https://some.location.com/datsource/one"},
    ),
    "DocumentationDatasetFacet": ("dataset", "documentation", "Some dataset description"),
    "DocumentationJobFacet": ("job", "documentation", "Determines the popular day of week orders are placed."),
    "EnvironmentVariablesRunFacet": ("run", "", None),
    "ErrorMessageRunFacet": ("run", "errorMessage", {"programmingLanguage": "JAVA"}),
    "ExternalQueryRunFacet": ("run", "externalQuery", None),
    "ExtractionErrorRunFacet": ("run", "extractionError", {"totalTasks": 1, "failedTasks": 1}),
    "HierarchyDatasetFacet": ("dataset", "hierarchy", 3),
    "JobTypeJobFacet": ("job", "jobType", None),
    "LifecycleStateChangeDatasetFacet": ("dataset", "lifecycleStateChange", None),
    "LineageFacet": ("", "", None),
    "NominalTimeRunFacet": ("run", "nominalTime", None),
    "OutputStatisticsOutputDatasetFacet": ("outputFacets", "", None),
    "OwnershipDatasetFacet": ("dataset", "ownership", [{"name": "owner"}]),
    "OwnershipJobFacet": ("job", "ownership", [{"name": "owner"}]),
    "ParentRunFacet": ("run", "", None),
    "ProcessingEngineRunFacet": ("run", "processing_engine", None),
    "SQLJobFacet": ("job", "sql", None),
    "SchemaDatasetFacet": ("dataset", "schema", None),
    "SourceCodeJobFacet": ("job", "sourceCode", {"language": "bash"}),
    "SourceCodeLocationJobFacet": ("job", "sourceCodeLocation", {"type": "git", "url": "http://example.com"}),
    "StorageDatasetFacet": ("dataset", "storage", {"storageLayer": "delta", "fileFormat": "parquet"}),
    "SymlinksDatasetFacet": ("dataset", "", None),
    "TagsDatasetFacet": ("dataset", "tags", 2),
    "TagsJobFacet": ("job", "tags", 2),
    "TagsRunFacet": ("run", "tags", 2),
}
"""Fixture's folder → where the facet stands in an event, under which name it is kept, and what is kept of it."""
SECRETS = ("/usr/lib/jvm", "<stack_trace>", "ls -halt", "credit_card'", "DROP POLICY", "6600")


def event_with(place: str, facets: dict[str, Any], minute: int, tag: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"namespace": "n", "name": f"out{tag}", "facets": {}, "outputFacets": {}}
    read: dict[str, Any] = {"namespace": "n", "name": f"in{tag}", "facets": {}, "inputFacets": {}}
    event: dict[str, Any] = {
        **PRODUCER,
        "eventType": "COMPLETE",
        "eventTime": f"2026-05-01T12:{minute:02d}:00Z",
        "run": {"runId": f"00000000-0000-0000-0000-0000000000{minute:02d}", "facets": {}},
        "job": {"namespace": "n", "name": f"job{tag}", "facets": {}},
        "inputs": [read],
        "outputs": [made],
    }
    targets = {"dataset": read["facets"], "inputFacets": read["inputFacets"], "output": made["facets"]}
    targets |= {"outputFacets": made["outputFacets"], "job": event["job"]["facets"], "run": event["run"]["facets"]}
    targets[place].update(facets)
    return event


def test_every_facet_of_the_specification_is_taken_in_and_kept_as_documented(
    suite: Path, catalogs: list[Catalog], conformance: Tell
) -> None:
    folders = sorted(path for path in (suite / "fixtures").iterdir() if path.is_dir())
    assert {path.name for path in folders} == FACETS.keys()
    count = 0
    for folder in folders:
        place, name, expected = FACETS[folder.name]
        for number, path in enumerate(sorted(folder.glob("*.json")), start=1):
            if folder.name == "LineageFacet":
                continue  # its graphs are asserted below
            facets = json.loads(path.read_text())
            count += 1
            tag = f"{folder.name}{number}"
            take(catalogs[0], [event_with(place, facets, number, tag)])
            assert {(f"n#in{tag}", f"n#job{tag}"), (f"n#job{tag}", f"n#out{tag}")} <= flows(catalogs[0])
            kept = _kept(catalogs[0], tag)
            if name and folder.name != "ColumnLineageDatasetFacet":
                value = kept[name]
                assert (len(value) if isinstance(expected, int) else value) == (value if expected is None else expected)
            assert not any(secret in json.dumps(kept) for secret in SECRETS), path
    conformance("OpenLineage official facets, what is kept of them", count, count)


def _kept(catalog: Catalog, tag: str) -> dict[str, Any]:
    with catalog.read() as connection:
        runs = [f"00000000-0000-0000-0000-0000000000{n:02d} n#job{tag}" for n in range(10)]
        asked = (("dataset", [f"n#in{tag}", f"n#out{tag}"]), ("job", [f"n#job{tag}"]), ("run", runs))
        found = [read_facets(connection, kind, names) for kind, names in asked]
    return {facet: value for of in found for facets in of.values() for facet, (_, value) in facets.items()}


def test_column_lineage_facets_draw_columns_and_whole_dataset_ones(suite: Path, catalogs: list[Catalog]) -> None:
    folder = suite / "fixtures" / "ColumnLineageDatasetFacet"
    take(catalogs[0], [event_with("output", json.loads((folder / "1.json").read_text()), 1)])
    found = column_flows(catalogs[0])
    assert ("SnowflakeOpenLineage#CUSTOMERS.NAME", "n#out.NAME", "IDENTITY") in found
    assert ("SnowflakeOpenLineage#DISCOUNTS.CUSTOMERS_ID", "n#out.NAME", "JOIN") in found
    assert ("SnowflakeOpenLineage#CUSTOMERS", "n#job") in flows(catalogs[0])
    take(catalogs[1], [event_with("output", json.loads((folder / "2.json").read_text()), 1)])
    people = "s3://test-bucket#/iceberg_warehouse/some-database/people"
    found = column_flows(catalogs[1])
    assert (f"{people}.first_name", "n#out.firstName", "IDENTITY") in found
    assert {(source, kind) for source, to, kind in found if to == "n#out.*"} >= {
        (f"{people}.last_name", "SORT"),
        (f"{people}.age", "FILTER"),
    }


def test_symlinks_renames_and_parents_hold_things_together(suite: Path, catalogs: list[Catalog]) -> None:
    def fixture(name: str, number: int = 1) -> Any:
        return json.loads((suite / "fixtures" / name / f"{number}.json").read_text())

    take(catalogs[0], [event_with("dataset", fixture("SymlinksDatasetFacet"), 1)])
    graph = lineage(catalogs[0], "/tmp/alter_test#default.alter_table_test_new", direction="downstream")
    assert graph.root == ("dataset", "n#in") and {node.name for node in graph.nodes} == {"n#in", "n#job", "n#out"}

    take(catalogs[1], [event_with("dataset", fixture("LifecycleStateChangeDatasetFacet"), 1)])
    graph = lineage(catalogs[1], "file#/tmp/alter_test/alter_table_test", direction="downstream")
    assert graph.root == ("dataset", "n#in")
    take(catalogs[1], [event_with("run", fixture("ParentRunFacet", 2), 2)])
    run = read_outside_runs(catalogs[1], "n#job")[0]
    assert (run.parent_job, run.parent_run) == ("airflow#my_dag.my_task", "f99310b4-3c3c-1a1a-2b2b-c1b95c24ff11")
    take(catalogs[1], [event_with("outputFacets", fixture("OutputStatisticsOutputDatasetFacet"), 3)])
    assert {run.state for run in read_outside_runs(catalogs[1], "n#out")} == {"COMPLETE"}


PG = "postgresql://{}:5432#public.{}"
LINEAGE_GRAPHS = {
    "dataset-to-dataset": {(PG.format("warehouse", "customers"), "n#it")},
    "dataset-to-job": {(PG.format("warehouse", "staging_orders"), "airflow://production#daily.load")},
    "generator": {("n#job", PG.format("warehouse", "extracted_data"))},
    "implicit-job": {(PG.format("production", "transactions"), "n#job")},
    "job-to-dataset": {("airflow://production#daily.extract", PG.format("warehouse", "daily_summary"))},
    "job-to-job": {("airflow://production#daily.transform", "airflow://production#daily.load")},
    "mixed-sources": {
        (PG.format("warehouse", "orders"), "n#job"),
        ("n#job", PG.format("warehouse", "enriched_orders")),
        ("airflow://production#daily.enrichment", PG.format("warehouse", "enriched_orders")),
    },
}


def test_explicit_lineage_facets_give_their_graphs(suite: Path, tmp_path: Path, conformance: Tell) -> None:
    folder = suite / "fixtures" / "LineageFacet"
    assert {path.stem for path in folder.iterdir()} == LINEAGE_GRAPHS.keys()
    for name, graph in LINEAGE_GRAPHS.items():
        facets = json.loads((folder / f"{name}.json").read_text())
        base = {**PRODUCER, "eventTime": "2026-05-01T12:00:00Z"}
        job = {"namespace": "n", "name": "job", "facets": facets}
        events: list[Any] = [
            {**base, "job": job},
            {**base, "eventType": "COMPLETE", "run": {"runId": "b7dce052-51a6-4d66-98b9-5fd8b78a79c7"}, "job": job},
        ]
        if name == "dataset-to-dataset":
            events = [{**base, "dataset": {"namespace": "n", "name": "it", "facets": facets}}]
        for number, event in enumerate(events):
            catalog = open_catalog(f"sqlite:///{tmp_path / name}{number}.db")
            take(catalog, [event])
            assert flows(catalog) == graph, name
            catalog.close()
    conformance("OpenLineage official lineage facets, their graph", len(LINEAGE_GRAPHS), len(LINEAGE_GRAPHS))


def test_the_full_example_of_the_specification_is_a_run(
    suite: Path, catalogs: list[Catalog], conformance: Tell
) -> None:
    take(catalogs[0], [json.loads((suite / "fixtures" / "example_full_event.json").read_text())])
    (run,) = read_outside_runs(catalogs[0], "food_delivery#dbt")
    assert run.state == "COMPLETE" and flows(catalogs[0]) == set()
    conformance("OpenLineage official full event", 1, 1)
