"""The mesh command's frame: help without weight, and every error a sentence with its exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest

from mesh_catalog.cli import main as cli
from mesh_catalog.errors import AccessDeniedError, NotFoundError, SettingsError, StorageError

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-c", "from mesh_catalog.cli.main import main; main()"]
HEAVY = {"pyspark", "mlflow", "evidently", "pandas", "numpy", "pyarrow", "sqlalchemy", "sqlglot", "yaml"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[str]]:
    """Makes a verb `probe` whose body is the given function."""

    def make(body: Callable[[], object]) -> list[str]:
        module = ModuleType("mesh_catalog.cli.probe")
        module.command = click.command("probe")(body)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mesh_catalog.cli.probe", module)
        monkeypatch.setitem(cli.VERBS, "probe", ("probe", "For tests."))
        return ["probe"]

    return make


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


def processor_seconds() -> float:
    """Of ended children: the time they take on a quiet machine, whatever else this one does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_names_every_verb_and_answers_in_under_0_4_seconds() -> None:
    taken = []
    for _ in range(3):
        before = processor_seconds()
        answer = run("--help")
        taken.append(processor_seconds() - before)
    assert answer.returncode == 0
    assert all(f"\n  {verb} " in answer.stdout for verb in cli.VERBS)
    assert min(taken) < 0.4


def test_help_loads_no_verb_and_nothing_heavy() -> None:
    code = (
        "import sys; from mesh_catalog.cli.main import run_command; run_command(['--help']);"
        "print('LOADED', *sorted(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    loaded = shown.split("LOADED ")[1].split()
    assert HEAVY.isdisjoint(name.split(".")[0] for name in loaded)
    assert [name for name in loaded if name.startswith("mesh_catalog.cli.")] == ["mesh_catalog.cli.main"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, mesh_catalog; mesh_catalog.read; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert HEAVY.isdisjoint(name.split(".")[0] for name in loaded.split())


@pytest.mark.parametrize("verb_name", list(cli.VERBS))
def test_every_verb_has_help_that_ends_with_an_example(verb_name: str) -> None:
    answer = cli.mesh.get_command(click.Context(cli.mesh), verb_name)
    assert answer is not None
    assert "Example:" in (answer.help or "")


def test_an_unknown_verb_is_a_usage_error_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command(["publsh"]) == 2
    assert "There is no command 'publsh'. Did you mean 'publish'?" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command(["--nonsense"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("conf: wrong."), 2),
        (AccessDeniedError("payments.transactions: not yours."), 3),
        (NotFoundError("payments.x: is not there."), 4),
        (StorageError("catalog: cannot be read."), 1),
    ],
)
def test_a_foreseen_error_is_one_line_and_its_exit_code(
    error: Exception,
    code: int,
    verb: Callable[[Callable[[], object]], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run_command(verb(raising(error))) == code
    assert capsys.readouterr() == ("", f"{error}\n")


def test_an_unforeseen_error_is_one_line_and_its_message_stays_out_of_the_log(
    verb: Callable[[Callable[[], object]], list[str]],
    workspace_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))

    def fails() -> None:
        try:
            int("ada@example.org")
        except ValueError as error:
            raise RuntimeError("row of ada@example.org") from error

    assert cli.run_command(verb(fails)) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("internal error: RuntimeError; the details are in ")
    assert shown.err.count("\n") == 1
    log = Path(shown.err.rsplit(" in ", 1)[1].strip())
    text = log.read_text(encoding="utf-8")
    assert log.parent == workspace_dir / ".mesh" / "logs"
    assert "builtins.RuntimeError" in text
    assert "builtins.ValueError" in text
    assert "test_main.py" in text
    assert "ada@example.org" not in text + shown.err


def test_debug_shows_the_traceback(
    verb: Callable[[Callable[[], object]], list[str]],
    workspace_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    monkeypatch.setenv("MESH_DEBUG", "1")
    assert cli.run_command(verb(raising(RuntimeError("broken")))) == 1
    assert "RuntimeError: broken" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (3, 3), ("the demo stops", 1)])
def test_a_verb_may_choose_its_exit_code(
    code: int | str | None, expected: int, verb: Callable[[Callable[[], object]], list[str]]
) -> None:
    assert cli.run_command(verb(raising(SystemExit(code)))) == expected


def test_a_verb_may_return_its_exit_code(verb: Callable[[Callable[[], object]], list[str]]) -> None:
    assert cli.run_command(verb(lambda: 3)) == 3


def test_an_interrupt_is_130(
    verb: Callable[[Callable[[], object]], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_command(verb(raising(KeyboardInterrupt()))) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import sys, types, click; from mesh_catalog.cli import main as cli\n"
        "probe = types.ModuleType('mesh_catalog.cli.probe')\n"
        "probe.command = click.command()(lambda: [click.echo('x' * 1000) for _ in range(1000)])\n"
        "sys.modules['mesh_catalog.cli.probe'] = probe; cli.VERBS['probe'] = ('probe', '')\n"
        "sys.exit(cli.run_command(['probe']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141


def test_jobs_are_the_verbs_that_run_on_spark() -> None:
    assert {path.stem for path in (ROOT / "jobs").glob("*.py")} == set(cli.JOB_VERBS)
    for verb_name in cli.JOB_VERBS:
        assert (ROOT / "jobs" / f"{verb_name}.py").read_text(encoding="utf-8") == cli.job_script(verb_name)


def test_a_job_is_its_verb_and_gives_back_its_exit_code(
    verb: Callable[[Callable[[], object]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    verb(raising(NotFoundError("payments.x: is not there.")))
    monkeypatch.setattr(sys, "argv", ["jobs/probe.py"])
    with pytest.raises(SystemExit) as stopped:
        cli.run_job("probe")
    assert stopped.value.code == 4


def test_a_verb_without_a_command_is_a_mistake_of_ours(
    monkeypatch: pytest.MonkeyPatch, workspace_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    monkeypatch.setitem(sys.modules, "mesh_catalog.cli.probe", SimpleNamespace(command=None))
    monkeypatch.setitem(cli.VERBS, "probe", ("probe", "For tests."))
    assert cli.run_command(["probe"]) == 1
    assert "internal error: TypeError" in capsys.readouterr().err
