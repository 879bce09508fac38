"""What our own source never does: one look at every module of the app and every script of the console."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import ROOT

APP = ROOT / "dashboard_app"
SCRIPTS = sorted((ROOT / "assets").rglob("*.js")) + sorted(APP.rglob("*.js"))
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
READS_OBJECTS_OR_XML = {"pickle", "cPickle", "dill", "marshal", "shelve", "xml", "lxml", "xmlrpc", "jsonpickle"}
BROKEN_HASHES = {"md5", "sha1"}
OF_ITS_OWN_MAKING = re.compile(r"\b(?:rx|reflex)\.(?:html|markdown|script|upload)\b|dangerouslySetInnerHTML")
RISKY_IN_A_PAGE = re.compile(
    r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|postMessage|__proto__|addEventListener\(.message|document\.cookie"
)


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """The modules of the app, or of some of its packages."""
    for top in [APP / folder for folder in folders] or [APP]:
        for path in sorted(top.rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def called(tree: ast.Module) -> set[str]:
    """The plain names that are called, and the last names of what is called on a module."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {one.id for one in functions if isinstance(one, ast.Name)}
    dotted = {f"{one.value.id}.{one.attr}" for one in functions if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)}
    return plain | dotted


def imported(tree: ast.Module) -> set[str]:
    """The packages that are imported."""
    whole = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return {name.partition(".")[0] for name in whole | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}}


def broken(tree: ast.Module) -> list[str]:
    """Each rule that a module breaks, in words."""
    said = [f"runs text: {name}" for name in sorted(called(tree) & RUNS_TEXT)]
    said += [f"reads objects or XML: {name}" for name in sorted(imported(tree) & READS_OBJECTS_OR_XML)]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "shell"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ):
            said.append("starts a shell")
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "hashlib"
            and node.attr in BROKEN_HASHES
        ):
            said.append(f"a broken hash: {node.attr}")
    said += [
        f"reads objects: {name}" for name in sorted(called(tree) & {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all"})
    ]
    return said + [f"starts a shell: {name}" for name in sorted(called(tree) & {"os.system", "os.popen", "subprocess.getoutput"})]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("eval('1')", ["runs text: eval"]),
        ("import pickle", ["reads objects or XML: pickle"]),
        ("from xml.etree import ElementTree", ["reads objects or XML: xml"]),
        ("yaml.load('x'); yaml.safe_load('y')", ["reads objects: yaml.load"]),
        ("subprocess.run('ls', shell=True)", ["starts a shell"]),
        ("os.system('ls')", ["starts a shell: os.system"]),
        ("hashlib.md5(b'')", ["a broken hash: md5"]),
        ("re.compile('x'); hashlib.sha256(b'')", []),
    ],
)
def test_the_look_finds_what_it_looks_for(source: str, said: list[str]) -> None:
    assert broken(ast.parse(source)) == said


def test_no_module_runs_text_starts_a_shell_reads_objects_or_xml_or_uses_a_broken_hash() -> None:
    assert {str(path): said for path, tree in trees() if (said := broken(tree))} == {}


def test_what_nobody_may_guess_never_comes_from_the_plain_random_module() -> None:
    assert [str(path) for path, tree in trees("access", "store", "settings", "model") if "random" in imported(tree)] == []


def test_no_page_renders_markup_or_markdown_of_others() -> None:
    assert [str(path) for path in sorted(APP.rglob("*.py")) if OF_ITS_OWN_MAKING.search(path.read_text(encoding="utf-8"))] == []


def test_no_script_of_the_console_writes_markup_runs_text_or_listens_to_other_windows() -> None:
    assert SCRIPTS
    assert [path.name for path in SCRIPTS if RISKY_IN_A_PAGE.search(path.read_text(encoding="utf-8"))] == []
