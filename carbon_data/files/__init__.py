"""Data files that are not part of the package: what there is, where it lies, how it is fetched."""
