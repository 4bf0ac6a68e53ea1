"""What a bundle tells people: what each file is, how to replay it, and how to cite it."""

from __future__ import annotations

CITATION = """\
cff-version: 1.2.0
message: If you use these results, please cite the paper and the software.
type: software
title: "tgsh: how do learning tasks relate to one another?"
version: "{version}"
license: MIT
authors:
  - name: The authors of tgsh
preferred-citation:
  type: article
  title: >-
    Randomly Weighted Neuromodulation in Neural Networks Facilitates Learning of Manifolds
    Common Across Tasks
  authors:
    - family-names: Hong
      given-names: Jinyung
    - family-names: Pavlic
      given-names: Theodore P.
  year: 2023
  journal: arXiv
  url: https://arxiv.org/abs/2401.02437
  identifiers:
    - type: other
      value: "arXiv:2401.02437"
"""

FILES = {
    "CITATION.cff": "how to cite the paper and the software",
    "README.txt": "this text",
    "accuracy.csv": "test accuracy of each task after its last epoch",
    "datasets.json": "SHA-256 of the images and labels that tasks were trained and tested on",
    "dendrogram.nwk": "the tree of the tasks (average linkage of 1 - similarity), Newick",
    "embedding.csv": "the tasks as points in two dimensions (classical MDS of 1 - similarity)",
    "experiment.json": "seeds, digest of the spec, base_id, versions, compute paths, machines, times",
    "figures/": "every figure, as png and svg",
    "geometry.json": "Definition 1 of the paper, measured; its histograms and what a linear map reads",
    "losses.csv": "mean training cross-entropy of each task (row) in each epoch (column), in nats",
    "measured/": "what was measured on images at the end, as it is stored (safetensors)",
    "similarity/": "cosines of the context vectors, before and after training: csv with labels, npy without",
    "spec.json": "the spec: what POST /experiments, tgsh submit and tgsh run take",
    "tasks.csv": "every task: its parameters, accuracy, seconds, attempts and compute path",
    "vectors.npy": "context vectors of every stage, float32 [epochs + 1, tasks, width]; [0]: before training",
    "manifest.json": "SHA-256 and size of every other file; what was left out, and why",
}
"""Names of files, or beginnings of names, and what they are."""

README = """\
{title}

Context vectors that tgsh {version} learned, one for each of {tasks} tasks, over random weights that never
learn; and what follows from them. Experiment {id}, made {made}.

{files}
What an experiment does not have is left out; manifest.json says why.

Replay it:

    pip install 'tgsh[worker]'
    tgsh replay BUNDLE.zip

checks every hash, trains spec.json anew and compares all vectors byte by byte. The bytes follow from the
spec, its seeds and the images on one compute path and kind of machine, and with the same versions of the
software: experiment.json has them, and a replay that differs says which of them are others. By hand:

    tgsh run spec.json -o again/

Read it with NumPy:

    vectors = numpy.load("vectors.npy")          # [stage, task, unit]
    tasks = list(csv.DictReader(open("tasks.csv", encoding="utf-8")))
"""


def citation(version: str) -> str:
    """CITATION.cff of this version of the software."""
    return CITATION.format(version=version)


def readme(*, title: str, version: str, tasks: int, id: str, made: str) -> str:
    """README.txt of an experiment's bundle."""
    width = max(map(len, FILES)) + 2
    files = "".join(f"{name:{width}}{what}\n" for name, what in FILES.items())
    return README.format(title=title, version=version, tasks=tasks, id=id, made=made, files=files)
