"""The protocol's state machine, slot by slot: sessions, intake, decisions, negotiation, closing, postings and books."""
