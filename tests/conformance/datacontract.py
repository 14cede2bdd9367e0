"""The real datacontract CLI, in an environment of its own: `datacontract lint`, `test` and `breaking`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from tests.environments import tool_environment

__all__ = ["breaking", "datacontract", "datacontract_environment"]

_REQUIREMENTS: Final = (
    "datacontract-cli[duckdb]==1.2.8",
    "duckdb==1.5.5",  # the newest for which the Delta extension comes as a package, and not from DuckDB's own server
    "duckdb-extensions==1.5.5",
    "duckdb-extension-delta==1.5.5",
)
_SECONDS: Final = 600
_INSTALL_DELTA: Final = "from duckdb_extensions import import_extension; import_extension('delta')"
_BREAKING: Final = """
import json, sys
from datacontract.data_contract import DataContract

found = []
for pair in json.load(sys.stdin):
    old, new = (DataContract(data_contract_str=text) for text in pair)
    found.append(sorted({one.direction.value for one in old.breaking(new).entries if one.direction}))
json.dump(found, sys.stdout)
"""


def datacontract_environment(home: Path) -> Path:
    """The environment's `bin`, DuckDB's Delta extension installed under `home`."""
    bin_folder = tool_environment("datacontract", _REQUIREMENTS)
    _run(bin_folder, home, "python", "-c", _INSTALL_DELTA)
    return bin_folder


def datacontract(bin_folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI; its home folder is `home`, so that nothing of the machine reaches it."""
    return _run(bin_folder, home, "datacontract", *arguments, check=False)


def breaking(bin_folder: Path, home: Path, pairs: list[tuple[str, str]]) -> list[set[str]]:
    """How `datacontract breaking` says that pairs of contracts differ: tightens, loosens, both, undetermined.

    To loosen breaks consumers, to tighten breaks the producer.
    """
    done = _run(bin_folder, home, "python", "-c", _BREAKING, given=json.dumps(pairs))
    return [set(one) for one in json.loads(done.stdout)]


def _run(
    bin_folder: Path, home: Path, tool: str, *arguments: str, given: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home), "COLUMNS": "300", "NO_COLOR": "1"}
    return subprocess.run(
        [str(bin_folder / tool), *arguments],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=check,
    )
