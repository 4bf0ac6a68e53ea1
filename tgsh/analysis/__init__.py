"""Analysis of context vectors, representations and accuracies: NumPy and SciPy, no records, no training."""
