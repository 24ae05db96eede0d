"""Names of the files in a run folder."""

DONE = "DONE"

MODEL = "model.safetensors"
"""Last model of every learning stage; tensors are called STAGE/PARAMETER."""
