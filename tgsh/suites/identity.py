"""What makes a task the same task in another experiment."""

from __future__ import annotations

from tgsh.spec import ManifoldSuite, PermutationSuite, SuiteSpec

AMOUNTS = {"kind", "tasks", "train_images", "test_images"}
"""What of a manifold suite says how much there is of it, not what it is."""


def identity(suite: SuiteSpec, label: str) -> str:
    """Equal where two suites show a task in the same way: the label, and what a suite does not say in it.

    The images may be others: 90° of MNIST and 90° of KMNIST are the same task, on other images. Custom
    tasks are what their labels say that they are.
    """
    match suite:
        case PermutationSuite() if label != "identity":
            return f"{label} of permutation_seed {suite.permutation_seed}"
        case ManifoldSuite():
            which = suite.model_dump(exclude=AMOUNTS)
            return f"{label} of " + ", ".join(f"{name} {value}" for name, value in which.items())
        case _:
            return label
