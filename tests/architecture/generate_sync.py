"""Generator of `tgsh.client._sync` from `tgsh.client._async`.

Run `python -m tests.architecture.generate_sync` after every change of `_async`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tgsh" / "client" / "_async"
TARGET = ROOT / "tgsh" / "client" / "_sync"

HEADER = """\
# Generated from tgsh/client/_async/{name}: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""

# In the whole text, docstrings included, so that their examples are those of the blocking client.
REPLACEMENTS = [
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\ba(close|closing|read|iter_bytes|iter_sse)\b", r"\1"),
    (r"\bimport anyio\b", "import time"),
    (r"\banyio\.sleep\b", "time.sleep"),
    (r"\banyio\.Path\b", "Path"),
    (r"\b_async\b", "_sync"),
    (r"\bAsynchronous\b", "Blocking"),
    (r", from which `tgsh\.client\._sync` is generated", ", generated from `tgsh.client._async`"),
]
LEFTOVER = re.compile(r"\b(async|await|anyio|asyncio|Async\w*|_async)\b")


def ruff(*arguments: str, text: str, name: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(TARGET / name), "-"]
    return subprocess.run(
        command, cwd=ROOT, input=text, capture_output=True, encoding="utf-8", check=True
    ).stdout


def generate(source: Path) -> str:
    """The blocking module of an asynchronous one."""
    text = source.read_text("utf-8")
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    header = HEADER.format(name=source.name)
    # sorts the renamed imports, and loops that only yield become `yield from`
    fixes = ("--fix", "--unsafe-fixes", "--select", "I,UP028")
    text = ruff("check", "--quiet", *fixes, text=text, name=source.name)
    return ruff("format", text=header + text, name=source.name)


def leftovers(text: str) -> list[str]:
    """Asynchronous names that no replacement covers, apart from the name of the source."""
    code = [line for line in text.splitlines() if not line.startswith("# Generated from")]
    return LEFTOVER.findall("\n".join(code).replace("`tgsh.client._async`", ""))


def generated() -> dict[str, str]:
    """Text of every module of `tgsh.client._sync` by its file name."""
    return {source.name: generate(source) for source in sorted(SOURCE.glob("*.py"))}


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    for name, text in generated().items():
        (TARGET / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
