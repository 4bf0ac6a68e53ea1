"""Networks with random weights that never learn.

`bases` draws the weights and `contexts` says what a task learns over them (both without torch);
`learners` turns both into logits and gradients (torch). A few files a network: its base, context, learner.
"""
