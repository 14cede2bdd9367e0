"""The Jinja of a dbt project, rendered without running code of strangers: a program of its own, bounded and sandboxed.

Run as `python -I templates.py` by `rendering.py`, with an empty environment. Reads one JSON document from stdin and
writes one JSON line for each template. A template may name models and sources, read its project's variables, set
configuration and call its project's macros. It can open no file, reach no attribute that begins with `_`, ask no
database and read no environment variable; memory, time and the length of what it writes are bounded.

Imports the standard library and Jinja2 only, since whatever gets out of the sandbox is alone with what is in here.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import jinja2
from jinja2 import ext, nodes, runtime, sandbox
from jinja2.parser import Parser

__all__ = ["main"]

_SECONDS_A_TEMPLATE: Final = 5
_CPU_SECONDS: Final = 60
_MEMORY_BYTES: Final = 512 * 1024**2
_OUTPUT_LIMIT: Final = 1024 * 1024
_POWER_LIMIT: Final = 1_000
_NOWHERE: Final[Any] = runtime.missing  # type: ignore[attr-defined]
"""What Jinja says for a name that nothing defines."""
_MISSING: Final = object()
_DATABASE: Final = frozenset(("run_query", "statement", "load_result", "load_relation", "graph", "api", "model"))
_ASKS: Final = "asks the database, or dbt itself, while it is rendered ({name})"


class UntranslatableError(Exception):
    """The template wants what cannot be given here; says what."""


class _TooLongError(BaseException):
    """Out of time; no `except Exception` of Jinja's may keep it."""


class _Return(Exception):  # noqa: N818 - not an error: the value that a macro returns
    def __init__(self, value: Any) -> None:
        self.value = value


# The environment ---------------------------------------------------------------------------------------------------


class _Blocks(ext.Extension):
    """dbt's own block tags: a snapshot's body is kept; what belongs to tests and materialisations is passed over."""

    tags = {"snapshot", "test", "data_test", "materialization", "docs"}  # noqa: RUF012 - as Jinja wants it

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        tag = next(parser.stream).value
        while parser.stream.current.type != "block_end":
            next(parser.stream)
        body = parser.parse_statements((f"name:end{tag}",), drop_needle=True)
        return list(body) if tag == "snapshot" else []


class _Undefined(jinja2.StrictUndefined):
    """A name that nothing defines: an error that says whose it may be."""

    def _refuse(self, *_args: Any, **_kwargs: Any) -> Any:
        if self._undefined_exception is jinja2.exceptions.SecurityError:
            raise jinja2.exceptions.SecurityError
        name = str(self._undefined_name)
        if name in _DATABASE:
            raise UntranslatableError(_ASKS.format(name=name))
        if self._undefined_obj is _NOWHERE:
            raise UntranslatableError(f"uses '{name[:40]}', which is a macro of a package, or unknown")
        raise UntranslatableError(f"uses '.{name[:40]}' of something that has none here")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    __call__ = __getitem__ = __str__ = __iter__ = __len__ = __bool__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __mod__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __eq__ = __ne__ = __hash__ = _refuse


class _Context(runtime.Context):
    """Looks a name up among the project's macros where the template has none of it."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        if found is not _NOWHERE:
            return found
        return self.environment.macro(key) or _NOWHERE  # type: ignore[attr-defined]


class _Environment(sandbox.ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("**",))
    context_class = _Context

    def __init__(self, macros: Mapping[str, str], given: Mapping[str, Any]) -> None:
        super().__init__(undefined=_Undefined, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _Blocks])
        self.filters |= {"as_bool": bool, "as_number": float, "as_native": lambda v: v, "as_text": str}
        self.globals |= given
        self._sources = macros
        self._modules: dict[str, Any] = {}

    def macro(self, name: str) -> Callable[..., Any] | None:
        """A macro of the project; its file is read when it is first called for."""
        source = self._sources.get(name)
        if source is None:
            return None
        if source not in self._modules:
            self._modules[source] = self.from_string(source).make_module()
        return _returning(getattr(self._modules[source], name))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if abs(right) > _POWER_LIMIT or abs(left) > _OUTPUT_LIMIT:  # one step of C, which no alarm ends
            raise UntranslatableError("makes a number that is too large")
        return super().call_binop(context, operator, left, right)


def _returning(macro: Callable[..., Any]) -> Callable[..., Any]:
    """A macro that may end by `return(…)`, as dbt's macros do."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return macro(*args, **kwargs)
        except _Return as end:
            return end.value

    return call


# What a template is given ------------------------------------------------------------------------------------------


class _Config:
    """`config(…)` and `config.get(…)`; keeps what was set."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.set: dict[str, Any] = {}
        self._settings = settings

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        for given in args:
            self.set |= dict(given)
        self.set |= kwargs
        return ""

    def get(self, name: str, default: Any = None, validator: Any = None) -> Any:
        return {**self._settings, **self.set}.get(name, default)

    def require(self, name: str, validator: Any = None) -> Any:
        found = self.get(name)
        if found is None:
            raise UntranslatableError(f"requires the configuration '{name}', which is not set")
        return found


class _Adapter:
    """`adapter.dispatch`, among the project's own macros."""

    def __init__(self, environment: Callable[[], _Environment], dialect: str) -> None:
        self._environment, self._dialect = environment, dialect

    def dispatch(self, name: str, macro_namespace: str | None = None) -> Any:
        for prefix in (self._dialect, "default"):
            if (found := self._environment().macro(f"{prefix}__{name}")) is not None:
                return found
        raise UntranslatableError(f"uses '{name}', which is a macro of a package or unknown")

    def __getattr__(self, name: str) -> Any:
        raise UntranslatableError(_ASKS.format(name=f"adapter.{name}"))


class _Dbt:
    """The few macros of dbt itself that are words of SQL alone."""

    @staticmethod
    def _type(name: str) -> Callable[[], str]:
        return lambda: name

    def __init__(self) -> None:
        for name, word in (
            ("string", "varchar"), ("int", "int"), ("bigint", "bigint"), ("float", "double precision"),
            ("boolean", "boolean"), ("timestamp", "timestamp"), ("numeric", "numeric(28, 6)"),
        ):  # fmt: skip
            setattr(self, f"type_{name}", self._type(word))

    def concat(self, fields: Iterable[str]) -> str:
        return " || ".join(fields)

    def safe_cast(self, field: str, type: str) -> str:  # noqa: A002 - dbt's name
        return f"try_cast({field} as {type})"

    def hash(self, field: str) -> str:
        return f"md5(cast({field} as varchar))"

    def __getattr__(self, name: str) -> Any:
        raise UntranslatableError(f"uses 'dbt.{name}', which is not among the macros of dbt that are known here")


class _Template:
    """One template with what it asked for."""

    def __init__(self, project: Mapping[str, Any], one: Mapping[str, Any]) -> None:
        self.project, self.one = project, one
        self.config = _Config(one.get("config", {}))
        self.refs: list[list[Any]] = []
        self.sources: list[list[str]] = []
        self.used: set[str] = set()

    def render(self) -> dict[str, Any]:
        dialect = str(self.project["dialect"])
        environment: _Environment
        given = {
            "ref": self._ref,
            "source": self._source,
            "config": self.config,
            "var": self._var,
            "env_var": _env_var,
            "is_incremental": lambda: False,
            "this": "mesh_this",
            "target": _noted(self.used, "target", self.project["target"]),
            "execute": True,
            "flags": {"FULL_REFRESH": True},
            "adapter": _Adapter(lambda: environment, dialect),
            "dbt": _Dbt(),
            "return": _return,
            "log": lambda *_args, **_kwargs: "",
            "print": lambda *_args, **_kwargs: "",
            "exceptions": _Exceptions(),
            "doc": lambda *names: self.project["docs"].get(names[-1], ""),
            "tojson": lambda value, default=None, sort_keys=False: json.dumps(value, sort_keys=sort_keys),
            "fromjson": lambda text, default=None: json.loads(text),
            "zip": lambda *parts: list(zip(*parts, strict=False)),
            "set": lambda value: list(dict.fromkeys(value)),
            "project_name": self.project["name"],
        }
        environment = _Environment(self.project["macros"], given)
        parts, length = [], 0
        template = environment.from_string(self.one["text"])
        for part in template.generate():
            parts.append(part)
            length += len(part)
            if length > _OUTPUT_LIMIT:
                raise UntranslatableError("makes more than 1 MiB of SQL")
        return {
            "text": "".join(parts),
            "refs": self.refs,
            "sources": self.sources,
            "config": _plain(self.config.set),
            "used": sorted(self.used),
        }

    def _ref(self, *names: str, v: Any = None, version: Any = None) -> str:
        if not names or len(names) > 2 or not all(isinstance(name, str) for name in names):
            raise UntranslatableError("calls ref() with something else than names")
        found = [names[0] if len(names) == 2 else None, names[-1], v if v is not None else version]
        return _placeholder("ref", self.refs, found)

    def _source(self, name: str, table: str) -> str:
        return _placeholder("source", self.sources, [str(name), str(table)])

    def _var(self, name: str, default: Any = _MISSING) -> Any:
        found = self.project["vars"].get(name, default)
        if found is _MISSING:
            raise UntranslatableError(f"reads the variable '{name}', which has no value in dbt_project.yml")
        return found


def _placeholder(kind: str, known: list[list[Any]], found: list[Any]) -> str:
    """A name that SQL takes as a table's, and that says which one is meant."""
    if found not in known:
        known.append(found)
    return f"mesh_{kind}_{known.index(found)}"


class _Exceptions:
    def raise_compiler_error(self, message: str = "", *_args: Any) -> str:
        raise UntranslatableError("stops with an error of its own while it is rendered")

    def warn(self, *_args: Any) -> str:
        return ""


def _noted(used: set[str], name: str, values: Mapping[str, Any]) -> Any:
    class Noted:
        def __getattr__(self, key: str) -> Any:
            if key not in values:
                raise UntranslatableError(f"reads {name}.{key}, which belongs to dbt's own connection")
            used.add(f"{name}.{key}")
            return values[key]

    return Noted()


def _env_var(name: str, default: Any = _MISSING) -> Any:
    if default is _MISSING:
        raise UntranslatableError(f"reads the environment variable '{str(name)[:40]}', which has no default")
    return default


def _return(value: Any = None) -> str:
    raise _Return(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


# The program -------------------------------------------------------------------------------------------------------


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, _out_of_time)


def _out_of_time(_signal: int, _frame: Any) -> None:
    raise _TooLongError


def _rendered(project: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    signal.alarm(_SECONDS_A_TEMPLATE)
    try:
        return _Template(project, one).render()
    except _TooLongError:
        return {"error": f"takes more than {_SECONDS_A_TEMPLATE} seconds to render"}
    except MemoryError:
        return {"error": "takes too much memory to render"}
    except RecursionError:
        return {"error": "calls itself without an end"}
    except UntranslatableError as error:
        return {"error": str(error)}
    except jinja2.exceptions.SecurityError:
        return {"error": "reaches for the inside of Python, which no template may"}
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"is not Jinja that can be read: {error.message}", "line": error.lineno}
    except Exception as error:  # noqa: BLE001 - a stranger's template may raise anything
        return {"error": _sentence(error)}
    finally:
        signal.alarm(0)


def _sentence(error: Exception) -> str:
    if "no loader" in str(error):
        return "includes or imports another file"
    return f"cannot be rendered: {type(error).__name__}: {str(error)[:120]}"


def main() -> None:
    """Render the templates of the JSON document on stdin, one line each on stdout."""
    project = json.load(sys.stdin)
    _limited()
    for one in project["templates"]:
        sys.stdout.write(json.dumps(_rendered(project, one)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
