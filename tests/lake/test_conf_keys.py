"""The Spark settings in conf/: each is one that this Spark or this Delta knows."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from mesh_catalog.settings import load_settings
from tests.conftest import REPOSITORY

NAMES = sorted(path.stem for path in (REPOSITORY / "conf").glob("*.yaml"))


def is_known(spark: SparkSession, key: str) -> bool:
    """Whether Spark holds a setting of this name; settings register themselves when their class is loaded."""
    jvm: Any = spark._jvm
    for name in ("org.apache.spark.deploy.k8s.Config$", "org.apache.spark.sql.delta.sources.DeltaSQLConf$"):
        jvm.java.lang.Class.forName(name)
    return jvm.org.apache.spark.internal.config.ConfigEntry.findEntry(key) is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_key_of_a_file_in_conf_is_known(spark: SparkSession, name: str) -> None:
    settings = load_settings(workspace=REPOSITORY, conf=name, environment={})
    assert [key for key in settings.spark_conf if not is_known(spark, key)] == []


def test_a_key_that_does_not_exist_is_noticed(spark: SparkSession) -> None:
    assert is_known(spark, "spark.kubernetes.namespace")
    assert not is_known(spark, "spark.kubernetes.namespaces")
