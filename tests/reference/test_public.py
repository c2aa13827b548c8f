"""What users see of the package, and what its modules may know of each other."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jobwire

ROOT = Path(jobwire.__file__).parent
SOURCES = sorted(ROOT.glob("*.py"))
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.stem != "__main__"]
PURE = (
    *("clock", "envelope", "errors", "ids", "keys", "lifecycle", "outcome", "retry", "scripts", "steps", "values"),
    *("workflow", "operations", "registry"),
)
MEMBERS = (property, staticmethod, classmethod, type(lambda: None))
OUTSIDE = {"redis", "valkey", "socket", "asyncio", "threading", "subprocess", "selectors", "ssl", "hiredis"}


def name_of(path: Path) -> str:
    return ".".join(("jobwire", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Return the first part of every module that is imported at run time, wherever that happens."""
    return {name.partition(".")[0] for name in _imported(ast.parse(path.read_text()).body)}


def _imported(body: list[Any]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        yield from _imported(list(ast.iter_child_nodes(node)))


def test_all_is_what_is_public() -> None:
    assert list(jobwire.__all__) == sorted(jobwire.__all__)
    assert set(jobwire.__all__) == {name for names in jobwire._NAMES.values() for name in names}
    assert set(jobwire.__all__) <= set(dir(jobwire))
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        jobwire.Nope  # noqa: B018


def test_what_is_imported_is_what_type_checkers_see() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    imported = {node.module: tuple(alias.name for alias in node.names) for node in nodes}
    assert imported == jobwire._NAMES


def test_every_name_of_all_can_be_imported() -> None:
    code = "from jobwire import *; import jobwire as j; print([n for n in j.__all__ if globals()[n] is not vars(j)[n]])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def documented(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield every public module, class, function, method and property that is defined there."""
    yield module.__name__, module
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value
        if inspect.isclass(value):
            for part, member in vars(value).items():
                if not part.startswith("_") and isinstance(
                    member, property | staticmethod | classmethod | type(name_of)
                ):
                    yield f"{module.__name__}.{name}.{part}", member


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_docstrings_begin_with_a_sentence(path: Path) -> None:
    undone = [
        name
        for name, value in documented(importlib.import_module(name_of(path)))
        if not is_sentence(inspect.getdoc(value) or "")
    ]
    assert undone == []


def is_sentence(text: str) -> bool:
    """Say whether the first line is a sentence, whose source and requirements may follow it."""
    first = re.sub(r"( (SPEC section [0-9.]*[0-9]|\[[A-Z]+-[0-9]+\]|to|and))+$", "", text.partition("\n")[0])
    return re.fullmatch(r"[A-Za-z`].*[.:]", first) is not None


def test_only_one_module_knows_the_client() -> None:
    assert {"client.py"} == {path.name for path in SOURCES if "redis" in imports(path)}


@pytest.mark.parametrize("name", PURE)
def test_the_core_does_no_io(name: str) -> None:
    assert set() == imports(ROOT / f"{name}.py") & OUTSIDE


def test_the_core_is_imported_without_the_client() -> None:
    names = ", ".join(f"jobwire.{name}" for name in PURE)
    code = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); sys.modules['jobwire'] = type(sys)('jobwire')\n"
    code += f"sys.modules['jobwire'].__path__ = [{str(ROOT)!r}]\nimport {names}\n"
    code += f"print(*sorted({OUTSIDE!r} - {{'socket', 'threading', 'selectors'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set() == set(loaded.split()) & {"redis", "asyncio", "hiredis"}


@pytest.mark.parametrize(
    ("unwanted", "code"),
    [
        ("redis asyncio jsonschema msgspec inspect logging", "import jobwire"),
        (
            "redis asyncio jsonschema ssl subprocess importlib.resources jobwire.worker",
            "from jobwire import AsyncJobwire, Jobwire; Jobwire().job('t')(print); AsyncJobwire()",
        ),
        ("redis asyncio jsonschema importlib.resources", "from jobwire import Worker, WorkerSettings"),
    ],
)
def test_nothing_slow_is_imported_before_it_is_needed(unwanted: str, code: str) -> None:
    # Coverage, where it is measured, has loaded some of them before.
    code = f"import sys; before = set(sys.modules); {code}; after = set(sys.modules)"
    code += f"; print(*(set({unwanted!r}.split()) & after - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").exists()
