"""What is promised to whoever got a 202, and everything that tries to break it.

`pytest -m faults` runs the short forms; `python -m tests.system.faults --help` the long ones, with a report.
"""
