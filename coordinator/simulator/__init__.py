"""Policies on fleets of arrays, without the protocol: bounds, regret, grams against TREE."""
