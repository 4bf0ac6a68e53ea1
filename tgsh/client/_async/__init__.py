"""Implementation of `AsyncClient`, from which `tgsh.client._sync` is generated."""
