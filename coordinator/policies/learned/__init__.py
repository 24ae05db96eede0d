"""A policy whose weights were learned: what it sees of a fleet, what its numbers mean, its network."""
