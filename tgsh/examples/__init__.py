"""Notebooks to start from; tests/examples runs them."""
