"""Synthetic code bases: they parse, import within themselves, name nothing that is not there, and their tests pass."""

from __future__ import annotations

import ast
import builtins
import os
import re
import subprocess
import symtable
import sys
import tomllib
from functools import cache
from pathlib import Path

from longctx.tasks import load_maker
from longctx.types import Document

FILES = 26
PROJECTS = 8


@cache
def documents(seed: int = 1) -> tuple[Document, ...]:
    make = load_maker("codebases")
    return tuple(make(index, seed) for index in range(PROJECTS * FILES))


def modules() -> dict[str, str]:
    """Dotted name → code, in the order in which the documents come."""
    found = {}
    for document in documents():
        if document.path.endswith(".py"):
            name = document.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            found[name] = document.text
    return found


def bound(tree: ast.Module) -> set[str]:
    """Names that a module has once it is imported."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        else:
            names |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return names


def test_a_project_is_so_many_documents_and_all_paths_differ() -> None:
    paths = [document.path for document in documents()]
    assert len(set(paths)) == len(paths)
    for place in range(PROJECTS):
        own = paths[place * FILES : (place + 1) * FILES]
        assert len({path.split("/")[0] for path in own}) == 1
        assert [path.split("/", 1)[1] for path in own[:2]] == ["README.md", "pyproject.toml"]
    assert not {path.split("/")[0] for path in paths} & sys.stdlib_module_names
    assert all(re.fullmatch(r"[a-z0-9_]+(/[a-z0-9_]+)*\.(py|md|toml)|\w+/README\.md", path) for path in paths)


def test_imports_lead_to_modules_that_came_before_and_define_the_name() -> None:
    seen: dict[str, set[str]] = {}
    inside = 0
    packages = {name.split(".")[0] for name in modules()}
    for name, code in modules().items():
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in packages:
                assert node.module in seen, f"{name} imports {node.module}, which comes later or never"
                assert {alias.name for alias in node.names} <= seen[node.module], name
                inside += 1
        seen[name] = bound(tree)
    assert inside > 20 * PROJECTS


def test_no_name_is_used_that_is_not_there_and_none_imported_that_is_not_used() -> None:
    known = set(dir(builtins)) | {"__name__", "__file__"}

    def missing(table: symtable.SymbolTable, top: set[str]) -> set[str]:
        own = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()} - top
        return own.union(*(missing(child, top) for child in table.get_children()))

    for name, code in modules().items():
        tree = ast.parse(code)
        table = symtable.symtable(code, name, "exec")
        top = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
        assert missing(table, top | known) == set(), name
        if "__all__" in top:
            continue
        imported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom | ast.Import)
                    for alias in node.names} - {"annotations"}  # fmt: skip
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert imported <= used, name


def test_public_functions_say_what_they_do_and_what_they_take() -> None:
    constants = functions = 0
    for name, code in modules().items():
        tree = ast.parse(code)
        assert ast.get_docstring(tree), name
        constants += len(re.findall(r"^[A-Z][A-Z0-9_]+ = ", code, re.MULTILINE))
        if ".tests." in name:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                assert ast.get_docstring(node), (name, node.name)
            if isinstance(node, ast.FunctionDef):
                functions += 1
                assert node.returns is not None, (name, node.name)
                assert all(arg.annotation for arg in node.args.args if arg.arg != "self"), (name, node.name)
                assert ast.get_docstring(node) or node.name.startswith("__"), (name, node.name)
        assert all(len(line) <= 120 for line in code.split("\n")), name
    assert constants > 20 * PROJECTS and functions > 60 * PROJECTS


def test_readmes_name_files_and_constants_that_are_there() -> None:
    texts = {document.path: document.text for document in documents()}
    for path, text in texts.items():
        if not path.endswith("README.md"):
            continue
        files = re.findall(r"^\| (\S+\.py) \|", text, re.MULTILINE)
        assert len(files) > 15 and set(files) <= texts.keys()
        figures = re.findall(r"^\| ([A-Z]\w+) \| ([\d,]+) \| (\S+) \|$", text, re.MULTILINE)
        assert len(figures) > 8
        for name, value, file in figures:
            [said] = re.findall(rf"^{name} = ([\d_]+)", texts[file], re.MULTILINE)
            assert int(said) == int(value.replace(",", ""))
        project = tomllib.loads(texts[path.replace("README.md", "pyproject.toml")])["project"]
        assert project["name"] == path.split("/")[0]
        said = texts[path.replace("README.md", "__init__.py")]
        assert f'__version__ = "{project["version"]}"' in said
        [script] = project["scripts"].values()
        assert f"{script.split(':')[0].replace('.', '/')}.py" in texts


def test_the_tests_of_the_projects_pass_and_the_command_line_runs(tmp_path: Path) -> None:
    for document in documents()[: 2 * FILES]:
        path = tmp_path / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "."],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", ran.stdout)[0]) > 40
    package = documents()[0].path.split("/")[0]
    script = f"import sys; from {package}.cli import main; sys.exit(main(['--help']))"
    shown = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0 and package in shown.stdout


def test_projects_are_about_different_things() -> None:
    records = [name.rsplit(".", 1)[1] for name in modules() if re.fullmatch(r"\w+\.models\.\w+", name)]
    assert len(set(records)) == len(records) == 3 * PROJECTS
    kinds = {re.sub(r"^\w+?\.(parsers|rules|services)\.", "", name).rsplit("_", 1)[-1] for name in modules()}
    assert len(kinds) > 25
