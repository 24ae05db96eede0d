"""Resolution of a scenario into the inputs of a run: nodes, coordinator, traces, slot length."""
