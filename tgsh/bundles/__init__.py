"""Bundles: an experiment with all its results in one zip that can be cited and replayed."""
