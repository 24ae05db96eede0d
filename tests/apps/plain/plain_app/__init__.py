"""A small Flower app of our own: nothing in it knows of slots."""
