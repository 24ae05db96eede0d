"""Data files that are not part of the package: list, folder and download."""
