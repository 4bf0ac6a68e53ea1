"""Transforms that change values, on batches of float images (torch), with torchvision's own semantics.

`drawing` draws parameters (numpy only); one file an operation; `carrying_out` joins them.
"""
