"""The model for large fleets: the hub form, and its decomposition over the hub prices."""
