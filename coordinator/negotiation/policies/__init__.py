"""Policies that negotiate: auction, exchange ADMM, beliefs."""
