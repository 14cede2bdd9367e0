"""Where rows come from: files of several forms, foreign Delta tables, databases. One call, `read_source`."""

from mesh_catalog.lake.sources.arrivals import SourceFile, listed_files
from mesh_catalog.lake.sources.batch import BROKEN_METRIC, SourceBatch
from mesh_catalog.lake.sources.reading import read_source

__all__ = ["BROKEN_METRIC", "SourceBatch", "SourceFile", "listed_files", "read_source"]
