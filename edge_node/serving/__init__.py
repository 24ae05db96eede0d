"""Inference as a service: open-loop arrivals, dynamic batching, latency, and answers to outside clients."""
