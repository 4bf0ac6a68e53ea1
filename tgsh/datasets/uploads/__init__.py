"""Uploaded datasets: checked, in canonical order, addressed by their content. No torch.

image_folders   images in class folders in a .zip; checks common to all uploads
npz             arrays x and y in an .npz
ingest          canonical order, split and files, in a process with limits of its own
"""
