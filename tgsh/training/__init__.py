"""Learning context vectors: state, optimiser, one epoch, evaluation, checkpoints."""
