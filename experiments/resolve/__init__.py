"""From a scenario to everything a run needs: nodes, coordinator, traces, slot length."""
