"""Programs to begin with, each a page: `python -m tgsh.examples.own_data`."""
