"""What researchers upload becomes a dataset: checked, in one order, addressed by its content. No torch.

npz.py        arrays x and y in an .npz
folders.py    images in class folders in a .zip
images.py   what either holds, before it is put in order
canonical.py  the one order and split, and the files that are kept
unpacking.py  all of it, in a process with limits of its own
"""
