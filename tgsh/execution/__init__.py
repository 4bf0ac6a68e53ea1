"""Execution of experiments: the only package that joins science and store."""
