"""The ledger of a run as tables."""
