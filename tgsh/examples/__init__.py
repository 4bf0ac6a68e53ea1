"""A notebook and programs to begin with: `python -m tgsh.examples.own_data`. tests/examples runs them."""
