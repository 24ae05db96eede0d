"""The paper's claims as tests: each met, not met or not decidable, with the rule that decides it."""
