"""The `mesh` command: its verbs, loaded when called, and the one boundary where every error becomes an exit code.

A verb is a module of this package with a click command named `command`. This module stays light, for `mesh --help`.

Exit codes: 0 done, 1 internal error or storage, 2 wrong input or usage, 3 refused, 4 not found, 130 interrupted,
141 the reader of the output went away.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mesh_catalog import __version__
from mesh_catalog.errors import DeprecatedProductWarning, MeshError, nearest

__all__ = ["JOB_VERBS", "VERBS", "job_script", "main", "mesh", "run_command", "run_job"]

VERBS = {
    "init": ("init", "Make a workspace: conf/, domains/, jobs/."),
    "import": ("import_file", "Make data products from a file, a dbt project, or ODPS."),
    "adopt": ("adopt", "Make products of Delta tables that exist already, in place."),
    "check": ("check", "Validate the workspace; every mistake with its file and line."),
    "publish": ("publish", "Publish data products: all of the workspace, or those named."),
    "run": ("run", "Publish what is stale: inputs changed, files arrived, a transform edited."),
    "export": ("export", "Write files for other tools: Airflow DAGs, contracts, data products."),
    "search": ("search", "Find products, columns, models, dashboards and owners."),
    "show": ("show", "What a product or a model is: columns, versions, checks, owner."),
    "preview": ("preview", "The first rows of a product, personal values masked."),
    "sql": ("sql", "Query products by SQL, without Spark."),
    "kpi": ("kpi", "Compute a KPI by its definition, or list them."),
    "lineage": ("lineage", "What a product or a model comes from, and what comes from it."),
    "serve": ("serve", "Serve the catalog over HTTP, and take OpenLineage events in."),
    "tags": ("tags", "Which columns hold personal data, and where it came from."),
    "duplicates": ("duplicates", "What is stored and computed twice: tables, KPIs, dashboards."),
    "report": ("report", "What nobody answers for, and what nobody uses."),
    "request": ("request", "Ask a product's owner for its data."),
    "requests": ("requests", "Who asked for which data, and what was decided."),
    "audit": ("audit", "Who read what, when, and for which purpose."),
    "train": ("train", "Train a model, log it to MLflow, register it as challenger."),
    "score": ("score", "Score new rows with the champion and publish the predictions."),
    "monitor": ("monitor", "Compare the newest window with what the champion learned from."),
    "drift": ("drift", "Compare any two products or files."),
    "alert": ("alert", "What is wrong, who was told, and who has it in hand."),
    "timeline": ("timeline", "A model's or a product's verdicts over its windows."),
    "incident": ("incident", "Alerts that nobody answered, and what will catch such a thing."),
    "retrain": ("retrain", "One turn of the continuous-training loop."),
    "rollout": ("rollout", "Where a challenger stands on its way; move it on, or send it back."),
    "approve": ("approve", "Let a challenger that waits for a person become champion, or reject it."),
    "review": ("review", "What the loop leaves to a person: list it, close it."),
    "rollback": ("rollback", "Move the champion back to the version before."),
    "catalog": ("catalog", "Back up, restore or rebuild the catalog's database."),
    "maintain": ("maintain", "Keep tables in shape: small files, old files, leftovers."),
}
"""Verb → its module in this package, and its line in `mesh --help`."""

JOB_VERBS = ("publish", "run", "train", "score", "monitor", "retrain", "maintain")
"""The verbs that run on Spark, and so by spark-submit too."""

_JOB = '''"""spark-submit jobs/{verb}.py …  is  mesh {verb} …  on the cluster that spark-submit names."""

from mesh_catalog.cli.main import run_job

if __name__ == "__main__":
    run_job("{verb}")
'''


class _Verbs(click.Group):
    """A group that knows its verbs' names and help lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"mesh_catalog.cli.{VERBS[cmd_name][0]}")
        found = module.command
        if not isinstance(found, click.Command):
            raise TypeError(f"mesh_catalog.cli.{VERBS[cmd_name][0]}.command is not a click command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"There is no command '{args[0][:40]}'.{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(_reader_gone())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mesh")
def mesh() -> None:
    """Governed data products and the models that learn from them, on Spark and Delta.

    Works on the workspace around the current folder, or on MESH_WORKSPACE. MESH_CONF picks the file of conf/.

    \b
    Example:
      mesh import cards.csv --product payments.transactions
    """


def main() -> NoReturn:
    """The entry point of `mesh`."""
    sys.exit(run_command(sys.argv[1:]))


def run_job(verb: str) -> NoReturn:
    """The whole of a script in jobs/: the verb with the script's arguments, under spark-submit or plain Python."""
    sys.exit(run_command([verb, *sys.argv[1:]]))


def job_script(verb: str) -> str:
    """The text of jobs/<verb>.py."""
    return _JOB.format(verb=verb)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command in this process and return its exit code; what went wrong is said on stderr.

    Args:
        arguments: As typed after `mesh`, for example `["publish", "payments.transactions"]`.
    """
    _prepare_process()
    try:
        code = mesh.main(args=list(arguments), prog_name="mesh", standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that went away is still handled
        return code if isinstance(code, int) else 0
    except MeshError as error:
        click.echo(str(error), err=True)
        _debug_traceback()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as error:
        return _exit_code(error)
    except Exception as error:  # the one boundary: whatever was not foreseen ends as a sentence
        from mesh_catalog.cli.crash import write_crash

        click.echo(f"internal error: {type(error).__name__}; the details are in {write_crash(error)}", err=True)
        _debug_traceback()
        return 1


def _prepare_process() -> None:
    """What holds for a process of ours, but would be rude in a library: UTC, no telemetry, no libraries' chatter."""
    import logging
    import time
    import warnings

    os.environ |= {"TZ": "UTC", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    time.tzset()
    if os.environ.get("MESH_DEBUG"):
        logging.basicConfig(level=logging.INFO)
        return
    warnings.simplefilter("ignore")
    told = logging.getLogger("mesh_catalog.access.emission")
    if not told.handlers:
        told.addHandler(logging.StreamHandler())  # a sentence on stderr: events that wait are the user's business
    warnings.simplefilter("default", DeprecatedProductWarning)
    warnings.showwarning = _show_note
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())  # else warnings of libraries go to stderr


def _show_note(message: Warning | str, *_place: Any, **_more: Any) -> None:
    click.echo(f"note: {message}", err=True)


def _debug_traceback() -> None:
    if os.environ.get("MESH_DEBUG"):
        import traceback

        traceback.print_exc()


def _reader_gone() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it flushes at exit
    return 141


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    click.echo(error.code, err=True)
    return 1
