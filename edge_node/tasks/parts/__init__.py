"""A model trained in parts: on a node, and on the node that serves the others."""
