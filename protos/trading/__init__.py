"""What a node computes to take part in a market: the trader's side of the protocol, pure.

It lives with the messages because both rooms need it and neither may import the other: ``edge_node`` runs it on the
node's private state, ``coordinator`` in its simulator, where whole fleets live in one array. See
docs/decisions/0005-negotiation.md.
"""
