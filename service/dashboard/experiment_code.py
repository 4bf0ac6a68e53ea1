"""An experiment as what others paste: into a shell, into Python."""

from __future__ import annotations

import json
import pprint
import shlex

from tgsh.spec import ExperimentSpec


def as_json(spec: ExperimentSpec) -> str:
    """The body of POST /experiments."""
    return json.dumps(spec.model_dump(mode="json"), indent=2, ensure_ascii=False)


def as_curl(spec: ExperimentSpec, url: str, *, needs_key: bool) -> str:
    """A command that submits it, for any POSIX shell. needs_key: it takes one, from TGSH_API_KEY."""
    key = ' \\\n  -H "Authorization: Bearer $TGSH_API_KEY"' if needs_key else ""
    return (
        f"curl -sS {shlex.quote(url + '/experiments')} \\\n  -H 'Content-Type: application/json'{key} \\\n"
        f"  --data-binary {shlex.quote(as_json(spec))}"
    )


def as_python(spec: ExperimentSpec, url: str) -> str:
    """A script that submits it, waits and prints the matrix; the client takes a key from TGSH_API_KEY."""
    body = pprint.pformat(spec.model_dump(mode="json"), indent=1, width=88, sort_dicts=False)
    return (
        "from tgsh.client import Client\n\n"
        f"spec = {body}\n\n"
        f"with Client({url!r}) as client:\n"
        "    experiment = client.wait(client.submit(spec).id)\n"
        "    print(client.similarity(experiment.id).values)\n"
    )
