"""Workers as jobs of a real batch system: `python -m tests.cluster`."""
