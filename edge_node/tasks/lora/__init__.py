"""``lora``: a small language model that nodes fine-tune together; only its low-rank adapter is trained, and travels."""
