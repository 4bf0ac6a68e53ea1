"""Datasets by name: `info` says what they are (no torch), `loading` brings their images."""
