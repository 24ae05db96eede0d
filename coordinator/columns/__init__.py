"""The coordinator of a virtual fleet: a slot of many nodes is one batch of column arithmetic and one entry of the
ledger, and books what coordinator.slots books node by node."""
