"""A language model served on a node: its file, and the server process that answers requests over HTTP."""
