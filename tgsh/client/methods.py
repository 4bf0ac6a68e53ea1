"""All methods that both clients have."""

from __future__ import annotations

from tgsh.client.datasets import Datasets
from tgsh.client.experiments import Experiments
from tgsh.client.results import Results
from tgsh.client.service import Service


class Methods(Experiments, Results, Datasets, Service):
    """Experiments, their results, datasets, and the service itself."""
