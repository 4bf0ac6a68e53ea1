"""Generator of tgsh/docs/python-reference.md from the docstrings of `tgsh.client`.

Run `python -m tests.architecture.generate_client_reference` after a change of a docstring of the client;
test_documents.py compares the file with a fresh one.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import tgsh.client
from tgsh import errors
from tgsh.client import AsyncClient, Client

TARGET = Path(__file__).parents[2] / "tgsh" / "docs" / "python-reference.md"

WIDTH = 150
SIGNATURE_WIDTH = 100

HEAD = """\
# Python reference

Everything that `tgsh.client` has. How to use it: [Python](python.md). How to read what it returns:
[Results](results.md). `AsyncClient` has the methods of `Client` with the same parameters, to be awaited;
those that yield are asynchronous iterators.

This page is generated from the docstrings by `python -m tests.architecture.generate_client_reference`.
"""

ERRORS = (
    errors.ServiceUnreachable,
    errors.ServiceProblem,
    errors.NotFound,
    errors.InvalidSpec,
    errors.MachineProblem,
)
"""What methods raise."""

TITLES = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Notes", "References", "Examples")


@dataclass
class Docstring:
    """A numpydoc docstring in parts. entries: (name, type, description) of the sections that list things."""

    text: str = ""
    entries: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    prose: dict[str, str] = field(default_factory=dict)


def parse(docstring: str | None) -> Docstring:
    """The parts of a docstring; one without sections is text alone."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    starts = [
        place
        for place in range(len(lines) - 1)
        if lines[place] in TITLES and re.fullmatch(r"-{3,}", lines[place + 1])
    ]
    found = Docstring("\n".join(lines[: starts[0] if starts else len(lines)]).strip())
    for start, end in pairwise([*starts, len(lines)]):
        title, body = lines[start], lines[start + 2 : end]
        if title in ("Notes", "References", "Examples"):
            found.prose[title] = "\n".join(body).strip()
        else:
            found.entries[title] = list(_entries(body))
    return found


def _entries(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """ "name : type" or "type", each with an indented description below."""
    blocks: list[list[str]] = []
    for line in lines:
        if line and not line[0].isspace():
            blocks.append([line])
        elif blocks:
            blocks[-1].append(line)
    for head, *rest in blocks:
        name, _, kind = head.partition(" : ")
        yield name.strip(), kind.strip(), " ".join(textwrap.dedent("\n".join(rest)).split())


def signature(name: str, function: Callable[..., Any]) -> str:
    """A definition that Python can read, without `self`, on several lines where it is long."""
    found = inspect.signature(function)
    parts, has_star = [], False
    for parameter in list(found.parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            parts.append("*")
        has_star |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = f"{stars}{parameter.name}"
        if parameter.annotation is not parameter.empty:
            text += f": {_annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {_literal(parameter.default)}"
        parts.append(text)
    end = "" if found.return_annotation is found.empty else f" -> {_annotation(found.return_annotation)}"
    line = f"def {name}({', '.join(parts)}){end}: ..."
    if len(line) <= SIGNATURE_WIDTH:
        return line
    return "\n".join([f"def {name}(", *(f"    {part}," for part in parts), f"){end}: ..."])


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:tgsh\.)?(?:schemas|results)\.(?=[A-Z])", "", text)


def generate() -> str:
    """The whole page."""
    return "\n\n".join([HEAD.strip(), *_client(), *_results(), *_errors()]) + "\n"


def _client() -> Iterator[str]:
    yield "## Client"
    yield _block(signature("Client", Client.__init__).replace(") -> None: ...", ") -> Client: ..."))
    yield from _described(parse(Client.__doc__))
    for group in [Client, *_groups(Client)]:
        methods = [(name, each) for name, each in vars(group).items() if _is_public_method(name, each)]
        if not methods:
            continue
        if group is not Client:
            yield f"## {_summary(group).split(';')[0].rstrip('.')}"
        for name, method in methods:
            yield f"### Client.{name}"
            yield _block(signature(name, method))
            yield from _described(parse(method.__doc__))
    yield "## AsyncClient"
    yield from _described(parse(AsyncClient.__doc__), only=("Examples",))


def _groups(cls: type) -> list[type]:
    return [base for base in cls.__mro__[1:] if base.__module__.startswith("tgsh.")]


def _is_public_method(name: str, value: object) -> bool:
    return not name.startswith("_") and inspect.isfunction(value)


def _summary(thing: Any) -> str:
    return " ".join(parse(thing.__doc__).text.split("\n\n")[0].split())


def _results() -> Iterator[str]:
    yield "## Result classes"
    yield _wrapped(
        "Documents of the API, frozen. Those with an array convert with `numpy.asarray` and "
        "`to_dataframe()`, and most plot themselves with `plot()`."
    )
    for name in sorted(set(tgsh.client.__all__) - {"Client", "AsyncClient"}):
        cls = getattr(tgsh.client, name)
        yield f"### {name}"
        said = parse(cls.__doc__)
        yield from _described(said)
        fields = [] if "Attributes" in said.entries else _fields(cls)
        if lines := [*fields, *_methods(cls)]:
            yield "\n".join(lines)


def _fields(cls: type) -> Iterator[str]:
    annotations: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        annotations |= vars(base).get("__annotations__", {})
    for name, found in getattr(cls, "model_fields", {}).items():
        kind = _annotation(annotations.get(name, ""))
        text = f": {found.description}" if found.description else ""
        yield _wrapped(f"`{name}` (`{kind}`){text}", "- ")


def _methods(cls: type) -> Iterator[str]:
    seen: set[str] = set()
    for base in _groups(type("Below", (cls,), {})):
        for name, value in vars(base).items():
            function = value.fget if isinstance(value, property) else value
            if name in seen or name == "model_post_init" or not _is_public_method(name, function):
                continue
            seen.add(name)
            said = parse(function.__doc__)
            returned = said.entries.get("Returns") or [("", "", "")]
            text = returned[0][2] or " ".join(said.text.split())
            brackets = "" if isinstance(value, property) else "()"
            kind = _annotation(inspect.signature(function).return_annotation)
            yield _wrapped(f"`{name}{brackets}` → `{kind}`: {text}", "- ")


def _errors() -> Iterator[str]:
    yield "## Errors"
    yield _wrapped("All are `tgsh.errors.TgshError`. What a problem document means: [Problems](problems.md).")
    yield "\n".join(_wrapped(f"`{each.__name__}`: {_summary(each)}", "- ") for each in ERRORS)


def _described(found: Docstring, only: tuple[str, ...] = TITLES) -> Iterator[str]:
    if only is TITLES:
        yield from (_wrapped(paragraph) for paragraph in found.text.split("\n\n") if paragraph)
    for title in TITLES:
        if title not in only:
            continue
        if entries := found.entries.get(title):
            lines = [_entry(*entry) for entry in entries]
            yield f"**{title}**\n\n" + "\n".join(lines)
        elif title == "Examples" and title in found.prose:
            yield _block(_without_prompts(found.prose[title]))
        elif title in found.prose:
            yield f"**{title}**\n\n{_wrapped(found.prose[title])}"


def _entry(name: str, kind: str, text: str) -> str:
    head = f"`{name}` (`{_annotation(kind)}`)" if kind else f"`{_annotation(name)}`"
    return _wrapped(f"{head}: {text}" if text else head, "- ")


def _without_prompts(example: str) -> str:
    lines = []
    for line in example.splitlines():
        if line.startswith((">>> ", "... ")):
            lines.append(line[4:])
        elif line.strip() in (">>>", "..."):
            lines.append("")
        else:
            lines.append(f"# {line}" if line.strip() else "")
    return "\n".join(lines).strip()


def _block(code: str) -> str:
    return f"```python\n{code}\n```"


def _wrapped(text: str, bullet: str = "") -> str:
    plain = " ".join(text.replace("``", "`").split())
    return textwrap.fill(
        plain,
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def main() -> None:
    """Write the page."""
    TARGET.write_text(generate(), "utf-8")


if __name__ == "__main__":
    main()
