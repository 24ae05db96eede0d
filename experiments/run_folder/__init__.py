"""The folder of a run: its files, its marks, and whether two folders tell of one scenario."""
