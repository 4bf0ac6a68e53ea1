"""Problems of the service as a person reads them on the command line."""

from __future__ import annotations

import pytest

from tgsh.cli.errors import problem_of, report_error
from tgsh.errors import ServiceProblem

LINES = ["dataset: mnist is on no worker: its files are missing", "Put them into /srv/data/MNIST/raw"]


@pytest.mark.parametrize("others", [[], [{"field": "training.epochs", "message": "too many"}]])
def test_a_line_is_printed_once(capsys: pytest.CaptureFixture[str], others: list[dict[str, str]]) -> None:
    message = "\n".join(LINES).removeprefix("dataset: ")
    errors = [{"field": "dataset", "message": message}, *others]
    refusal = ServiceProblem({"status": 422, "detail": "\n".join(LINES), "errors": errors})
    report_error(problem_of(refusal)["message"])
    shown = capsys.readouterr().err.splitlines()
    assert shown == [*LINES, *(f"  {each['field']}: {each['message']}" for each in others)]
