"""Examples: a notebook, and programs such as `python -m tgsh.examples.own_data`."""
