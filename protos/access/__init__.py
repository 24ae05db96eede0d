"""Who may call whom: mutual TLS beyond loopback, a secret of the run on loopback (docs/decisions/0018-boards.md)."""
