"""A node's state machine, slot by slot, and the parts of its state. Pure: no network, no learning framework."""
