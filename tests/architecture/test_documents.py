"""Checks of README, guide and contributor documents: links, commands, specs, examples, and their size.

Every check is a function from text to complaints, and is shown to be able to fail.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import posixpath
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError

from service.errors import KINDS
from tests.architecture import generate_claim_intervals as claim_intervals
from tests.architecture import generate_client_reference as client_reference
from tests.support.compose import ROOT
from tgsh.cli.application import app
from tgsh.specs.presets import Submission

README = ROOT / "README.md"
DOCS = ROOT / "tgsh" / "docs"
DOCUMENTS = sorted([README, *DOCS.rglob("*.md"), *(ROOT / ".github").glob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

MAX_README_BYTES = 8 << 10
MAX_LINE = 160
SHELL = ("sh", "console")
SPEC_KEYS = {"preset", "suite", "dataset", "network", "training"}
PATH = r"(?:tgsh|service|worker|tests|\.ci|\.github)/[\w./-]+|docker-compose\.yml|pyproject\.toml"
POSTED = ("/experiments", "/previews", "/estimates")
"""Paths whose bodies are specs."""


@dataclass(frozen=True)
class Block:
    """A fenced block; line: of its first line of code."""

    language: str
    code: str
    line: int


@cache
def tokens_of(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from inline(token.children or [])


def blocks(text: str, *languages: str) -> list[Block]:
    found = [token for token in tokens_of(text) if token.type == "fence"]
    every = [Block(token.info.strip(), token.content, (token.map or [0])[0] + 2) for token in found]
    return [block for block in every if block.language in languages]


def code_spans(text: str) -> list[str]:
    return [token.content for token in inline(tokens_of(text)) if token.type == "code_inline"]


# --- links


def anchors(text: str) -> set[str]:
    """Anchors of the headings as GitHub makes them."""
    found: set[str] = set()
    tokens = tokens_of(text)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(child.content for child in content.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
            count = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
            found.add(f"{slug}-{count}" if count else slug)
    return found


def _anchors_in(file: Path, path: Path, text: str) -> set[str]:
    return anchors(text if file == path else file.read_text("utf-8"))


def broken_links(path: Path, text: str) -> list[str]:
    """Relative links and pictures of a document at `path` whose file or anchor is not there."""
    complaints = []
    for token in inline(tokens_of(text)):
        target = str(token.attrGet({"link_open": "href", "image": "src"}.get(token.type, "")) or "")
        parts = urlsplit(target)
        if not target or parts.scheme or parts.netloc:
            continue
        file = path
        if parts.path:
            file = Path(posixpath.normpath(path.parent.as_posix() + "/" + unquote(parts.path)))
        if file != path and not file.is_file():
            complaints.append(f"{target}: there is no such file")
        elif parts.fragment and unquote(parts.fragment) not in _anchors_in(file, path, text):
            complaints.append(f"{target}: there is no such heading")
        if token.type == "image" and not "".join(child.content for child in token.children or []).strip():
            complaints.append(f"{target}: a picture needs words for who does not see it")
    return complaints


# --- commands


def simple_commands(script: str) -> Iterator[list[str]]:
    """The words of every simple command of a shell script, without redirections and comments."""
    for line in _logical_lines(script):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("();<>|&"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def _logical_lines(script: str) -> Iterator[str]:
    """Lines, joined inside quotes and behind a backslash, without comments and prompts."""
    line, quote, at = "", "", 0
    while at < len(script):
        character = script[at]
        if not quote and character == "\\" and script[at + 1 : at + 2] == "\n":
            line, at = f"{line} ", at + 2
            continue
        if not quote and character == "#" and (not line or line[-1].isspace()):
            at = (script + "\n").index("\n", at)
            continue
        if not quote and character == "\n":
            yield line.removeprefix("$ ")
            line, at = "", at + 1
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        line, at = line + character, at + 1
    yield line.removeprefix("$ ")


def without_wrappers(words: list[str]) -> list[str]:
    """A command without sudo, env, assignments and `docker compose exec SERVICE` before it."""
    while words:
        if words[0] == "sudo":
            words = words[3 if words[1:2] == ["-u"] else 1 :]
        elif words[0] == "env" or re.match(r"\w+=", words[0]):
            words = words[1:]
        elif words[:3] == ["docker", "compose", "exec"]:
            rest = words[3:]
            while rest and rest[0].startswith("-"):
                rest = rest[1:]
            words = rest[1:]
        else:
            return words
    return words


def wrong_commands(script: str, *, whole: bool = True) -> list[str]:
    """`tgsh` commands that its parser would refuse, and modules that `python -m` would not find.

    whole: arguments that are missing are wrong, too; a command in a sentence may leave them out.
    """
    complaints = []
    for words in map(without_wrappers, simple_commands(script)):
        if not words:
            continue
        if Path(words[0]).name == "tgsh":
            complaints += [f"{shlex.join(words)}: {said}" for said in _wrong_arguments(words[1:], whole)]
        elif words[0] in ("python", "python3") and words[1:2] == ["-m"] and not _is_there(words[2]):
            complaints.append(f"{shlex.join(words)}: there is no module {words[2]}")
    return complaints


def _is_there(module: str) -> bool:
    ours = module.split(".")[0] in ("tgsh", "service", "worker", "tests")
    return not ours or importlib.util.find_spec(module) is not None


@cache
def _root() -> Any:
    return typer.main.get_command(app)  # of the click that typer brings


def _wrong_arguments(words: list[str], whole: bool) -> list[str]:
    command = _root()
    words, positional = list(words), 0
    while words:
        word = words.pop(0)
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            option = _option(command, name)
            if option is None:
                if name == "--help":
                    continue
                return [f"{command.name} has no option {name}"]
            if not option.is_flag and not value:
                if not words:
                    return [f"{name} lacks its value"]
                words.pop(0)
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return [f"{command.name or 'tgsh'} has no command {word}"]
            command = command.commands[word]
        else:
            positional += 1
    if hasattr(command, "commands"):
        return []
    places = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    most = sum(parameter.nargs if parameter.nargs > 0 else 1_000 for parameter in places)
    if positional > most:
        return [f"{command.name} takes {most} arguments, not {positional}"]
    if whole and positional < sum(parameter.required for parameter in places):
        return [f"{command.name} lacks an argument"]
    return []


def _option(command: Any, name: str) -> Any:
    for parameter in command.params:
        if parameter.param_type_name == "option" and name in [*parameter.opts, *parameter.secondary_opts]:
            return parameter
    return None


def wrong_commands_of(text: str) -> list[str]:
    """Of a document: in its shell blocks, and in sentences."""
    found = [said for block in blocks(text, *SHELL) for said in wrong_commands(block.code)]
    spans = [span for span in code_spans(text) if span.startswith("tgsh ") and "COMMAND" not in span]
    return found + [said for span in spans for said in wrong_commands(span, whole=False)]


# --- specs


def wrong_specs(text: str) -> list[str]:
    """JSON that cannot be read, and bodies of POST /experiments that the service would refuse."""
    complaints = []
    for block in blocks(text, "json"):
        try:
            body = json.loads(block.code)
        except ValueError as error:
            complaints.append(f"line {block.line}: {error}")
            continue
        complaints += _refusals(body, f"line {block.line}")
    for body, where in [*_posted(text), *_in_sentences(text), *_in_python(text)]:
        complaints += _refusals(body, where)
    return complaints


def _refusals(body: Any, where: str) -> list[str]:
    if not isinstance(body, dict) or not SPEC_KEYS & body.keys():
        return []
    try:
        Submission.model_validate_json(json.dumps(body)).spec()
    except ValidationError as error:
        return [f"{where}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return []


def _posted(text: str) -> Iterator[tuple[Any, str]]:
    for block in blocks(text, *SHELL):
        for words in simple_commands(block.code):
            if words[0] == "curl" and any(urlsplit(word).path in POSTED for word in words) and "-d" in words:
                yield json.loads(words[words.index("-d") + 1]), f"line {block.line}"


def _in_sentences(text: str) -> Iterator[tuple[Any, str]]:
    for span in code_spans(text):
        if span.startswith("{") and "…" not in span:
            try:
                yield json.loads(span), span
            except ValueError:
                continue  # an excerpt


def _in_python(text: str) -> Iterator[tuple[Any, str]]:
    for block in blocks(text, "python"):
        try:
            tree = _compiled(block.code)
        except SyntaxError:
            continue  # another check complains
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                try:
                    yield ast.literal_eval(node), f"line {block.line}"
                except ValueError:
                    continue  # a variable is in it


# --- Python


def _compiled(code: str) -> ast.Module:
    tree = compile(
        code, "<example>", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    assert isinstance(tree, ast.Module)
    return tree


def broken_python(text: str) -> list[str]:
    """Examples that are no Python, and names that they import and that are not there."""
    complaints = []
    for block in blocks(text, "python"):
        try:
            tree = _compiled(block.code)
        except SyntaxError as error:
            complaints.append(f"line {block.line}: {error}")
            continue
        complaints += [f"line {block.line}: {said}" for said in _missing_imports(tree)]
    return complaints


def _missing_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            yield from (
                f"{node.module} has no {alias.name}"
                for alias in node.names
                if not hasattr(module, alias.name)
            )


def missing_paths(text: str) -> list[str]:
    """Files and folders of the repository that a document names and that are not there."""
    spans = [span for span in code_spans(text) if re.fullmatch(PATH, span) and "NAME" not in span]
    return [f"there is no {span}" for span in spans if not (ROOT / span).exists()]


def long_lines(text: str) -> list[str]:
    """Lines that are too long to be read side by side with anything."""
    return [
        f"line {number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > MAX_LINE
    ]


def too_large(text: str) -> list[str]:
    """A README that is no longer one page."""
    size = len(text.encode())
    return [f"{size} bytes, more than {MAX_README_BYTES}"] if size > MAX_README_BYTES else []


# --- the checks


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "check",
    [wrong_commands_of, wrong_specs, broken_python, missing_paths, long_lines],
    ids=lambda check: check.__name__,
)
def test_documents_are_right(name: str, check: Callable[[str], list[str]]) -> None:
    assert check((ROOT / name).read_text("utf-8")) == []


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(ROOT / name, (ROOT / name).read_text("utf-8")) == []


def test_the_readme_is_one_page() -> None:
    assert too_large(README.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("check", "text", "complaint"),
    [
        (wrong_commands_of, "```sh\ntgsh fly\n```", "no command fly"),
        (wrong_commands_of, "```sh\ntgsh list --colour red\n```", "no option --colour"),
        (wrong_commands_of, "```console\n$ tgsh submit\n```", "submit lacks an argument"),
        (wrong_commands_of, "```sh\ntgsh show a b\n```", "takes 1 arguments, not 2"),
        (wrong_commands_of, "```sh\ntgsh list --limit\n```", "lacks its value"),
        (wrong_commands_of, "```sh\nid=$(tgsh submit demo --jason | jq -r .id)\n```", "no option --jason"),
        (wrong_commands_of, "```sh\ntgsh list \\\n  --tags x   # a tag's name\n```", "no option --tags"),
        (wrong_commands_of, "```sh\ndocker compose exec -T service tgsh key add x\n```", "no command key"),
        (wrong_commands_of, "```sh\nsudo -u tgsh env A=1 /opt/bin/tgsh keys ad x\n```", "no command ad"),
        (wrong_commands_of, "use `tgsh datasets push`", "no command push"),
        (wrong_commands_of, "```sh\npython -m tests.nothing all\n```", "no module tests.nothing"),
        (wrong_specs, '```json\n{"preset": "demo",}\n```', "line 2"),
        (wrong_specs, '```json\n{"preset": "rotation-minst"}\n```', "preset"),
        (wrong_specs, '```json\n{"suite": {"kind": "rotation", "taks": 3}}\n```', "taks"),
        (wrong_specs, '```sh\ncurl h:1/x http://h:1/experiments -d \'{"dataset": "mist"}\'\n```', "dataset"),
        (wrong_specs, 'send `{"training": {"epochs": 0}}`', "training.epochs"),
        (wrong_specs, '```python\nclient.submit({"network": {"kind": "fly"}})\n```', "network"),
        (broken_python, "```python\nprint(\n```", "line 2"),
        (broken_python, "```python\nfrom tgsh.client import Clint\n```", "has no Clint"),
        (missing_paths, "see `tgsh/nothing.py`", "no tgsh/nothing.py"),
        (missing_paths, "below `service/nowhere/`", "no service/nowhere/"),
        (long_lines, "x" * 161, "161 characters"),
        (too_large, "x" * 8193, "8193 bytes"),
    ],
)
def test_what_is_wrong_is_found(check: Callable[[str], list[str]], text: str, complaint: str) -> None:
    found = check(text)
    assert found
    assert complaint in found[0], found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](nowhere.md)", "no such file"),
        ("[a](there.md#nowhere)", "no such heading"),
        ("[a](#nowhere)\n\n# Here", "no such heading"),
        ("[a](there.md#twice-2)", "no such heading"),
        ("![](picture.png)", "needs words"),
        ("![words](pictures.png)", "no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n\n## Twice\n\n## Twice\n\n## `code`, and (more)\n", "utf-8")
    (tmp_path / "picture.png").touch()
    [found] = broken_links(tmp_path / "page.md", text)
    assert complaint in found
    right = "[a](there.md#twice-1) [b](there.md#code-and-more) [c](#here) ![d](picture.png)\n\n# Here"
    (tmp_path / "page.md").write_text(right, "utf-8")
    assert broken_links(tmp_path / "page.md", right) == []


# --- what runs without a service


def runnable() -> list[tuple[str, str]]:
    """Python examples that need no service: (document and line, code)."""
    return [
        (f"{name}:{block.line}", block.code)
        for name in NAMES
        for block in blocks((ROOT / name).read_text("utf-8"), "python")
        if not re.search(r"\bclient\b|\bClient\b|^(async )?def .*: \.\.\.$", block.code, re.MULTILINE)
        and name != "tgsh/docs/python-reference.md"
    ]


@pytest.mark.parametrize(("where", "code"), runnable(), ids=[where for where, _ in runnable()])
def test_examples_run(where: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(code, "utf-8")
    runpy.run_path(str(tmp_path / "example.py"), run_name="__main__")


def test_there_are_examples_that_run() -> None:
    assert runnable()


OFFLINE = (["version"], ["keys", "add"], ["keys", "list"], ["keys", "revoke"])
"""Commands that need no service and leave nothing but a file in TGSH_HOME."""


def test_commands_run_in_the_order_of_the_guide(tmp_path: Path) -> None:
    """The keys of security.md, from the first to the last."""
    [script, *_] = blocks((DOCS / "security.md").read_text("utf-8"), *SHELL)
    commands = [words for words in simple_commands(script.code) if words[0] == "tgsh"]
    assert len(commands) == 3
    for words in [["tgsh", "version"], *commands]:
        assert any(words[1 : 1 + len(known)] == known for known in OFFLINE), words
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
        result = subprocess.run(
            [sys.executable, "-c", "from tgsh.cli import app; app()", *words[1:]],
            cwd=tmp_path,
            env=environment | {"TGSH_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, (words, result.stderr)


# --- what the documents must have


def test_every_type_of_problem_is_explained() -> None:
    """The page of an error links to /guide/problems#TYPE."""
    source = (ROOT / "service" / "errors.py").read_text("utf-8")
    kinds = {kind for _, kind, _ in KINDS.values()}
    kinds |= set(re.findall(r'problem\(\s*[^,"]+, "([a-z-]+)"', source)) | {"method-not-allowed"}
    assert {"store-unavailable", "internal-error"} <= kinds
    assert kinds <= anchors((DOCS / "problems.md").read_text("utf-8"))


def test_every_figure_of_the_dashboard_says_how_to_read_it() -> None:
    templates = ROOT / "service" / "dashboard" / "templates"
    text = "".join(path.read_text("utf-8") for path in templates.glob("*.html"))
    named = set(re.findall(r'\bfigure\(root, "([a-z-]+)"|\breading\("([a-z-]+)"', text))
    names = {name for pair in named for name in pair if name}
    assert len(names) >= 9
    assert names <= anchors((DOCS / "results.md").read_text("utf-8"))


def test_pages_and_pictures_are_all_linked() -> None:
    linked: set[Path] = set()
    for path in DOCUMENTS:
        for token in inline(tokens_of(path.read_text("utf-8"))):
            target = str(token.attrGet({"link_open": "href", "image": "src"}.get(token.type, "")) or "")
            if target and not urlsplit(target).scheme and urlsplit(target).path:
                linked.add((path.parent / urlsplit(target).path).resolve())
    files = {path.resolve() for path in DOCS.rglob("*") if path.is_file()}
    assert files - linked == set()


def test_the_wheel_takes_guide_and_deployment_files_along() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert "tgsh" in settings["targets"]["wheel"]["packages"]  # a package is taken with all its files
    ignored = subprocess.run(
        ["git", "check-ignore", "tgsh/docs/index.md", "tgsh/deploy/systemd/tgsh-api.service"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout == "", "hatchling leaves out what git ignores"


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert re.findall(r"(?m)^## (\S+)", (DOCS / "changelog.md").read_text("utf-8"))[0] == version


def test_the_reference_of_the_client_is_fresh() -> None:
    fresh = client_reference.generate()
    assert client_reference.TARGET.read_text("utf-8") == fresh, f"run python -m {client_reference.__name__}"


def test_the_intervals_of_claims_are_those_of_the_records() -> None:
    page = claim_intervals.TARGET.read_text("utf-8")
    assert page == claim_intervals.generate(page), f"run python -m {claim_intervals.__name__}"


def test_the_reference_says_what_a_docstring_says() -> None:
    def example(self: object, rows: int, *, order: str = "task") -> list[int]:
        """Rows in an order.

        More of it.

        Parameters
        ----------
        rows : int
            How many, ``1`` or
            more.
        order : str, default='task'
            Which order.

        Returns
        -------
        list[int]
            Their numbers.

        Examples
        --------
        >>> example(2)
        [0, 1]
        """
        return []

    found = client_reference.parse(example.__doc__)
    assert found.text == "Rows in an order.\n\nMore of it."
    assert found.entries["Parameters"][0] == ("rows", "int", "How many, ``1`` or more.")
    assert found.entries["Returns"] == [("list[int]", "", "Their numbers.")]
    assert found.prose["Examples"] == ">>> example(2)\n[0, 1]"
    line = client_reference.signature("example", example)
    assert line == 'def example(rows: int, *, order: str = "task") -> list[int]: ...'
    assert client_reference.parse("No sections.").text == "No sections."
