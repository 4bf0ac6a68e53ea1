"""Uploaded datasets: read whatever they come in, in canonical order, addressed by their content. No torch.

options          what an uploader asks for
report           what was done to an upload
labelled_images  the normal form of all uploads, and its limits
readers          what a file is, and which reader takes it
containers       zip, tar and folders as lists of members
compression      .gz, .zst and the like, with a limit
file_names       encodings, parts and order of names; files that are no images
layouts          which folders are splits, classes and domains
image_folders    pictures in class folders
pictures         one picture in a file
picture_sets     all of them, on several cores, by one rule
intensities      pixels that are no bytes
arrays           arrays of images and labels
array_labels     labels in arrays
array_files      .npy, IDX and MATLAB files
webdataset       KEY.png beside KEY.cls
parquet          Hugging Face's tables
copies           identical images
splits           test images, canonical order
processes        one upload over several cores
sandbox          a child process with limits of its own
ingest           all of it, in there
unlabelled       images without labels, in there too
"""
