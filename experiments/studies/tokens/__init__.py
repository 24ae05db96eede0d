"""Joules and grams per token of a language model: quantisation, context, batches, hand-over; routing over ten zones."""
