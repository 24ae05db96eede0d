"""The trader's side of the negotiation protocol: computations of a node in a market. Pure.

It is next to the messages because ``edge_node`` and ``coordinator`` both need it and may not import each other:
``edge_node`` runs it on the node's private state, ``coordinator`` in its simulator, which holds a whole fleet in one
array. See docs/decisions/0005-negotiation.md.
"""
