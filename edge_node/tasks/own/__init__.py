"""Users' own models and data: ``TorchTask``."""
