"""Networks with random weights that never learn. `bases` draws the weights (no torch); one file a network."""
