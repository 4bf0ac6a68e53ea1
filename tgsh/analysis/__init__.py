"""What context vectors say about tasks. NumPy and SciPy only: knows neither records nor training."""
