"""Reproduction of the paper: its experiments run through the service, its claims judged by the results."""
