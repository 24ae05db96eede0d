"""A run as it goes on: its ledger's feed, read in a terminal, on a page and by Prometheus. It changes no run."""
