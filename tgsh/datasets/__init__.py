"""Datasets of images: descriptions and arrays (`base`), the MNIST family (`mnist`), uploads."""
