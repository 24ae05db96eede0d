"""Live intensity: services that are polled, what is known of each zone, and what a slot takes from it.

A service answers with observations (values of past and present intervals) and, where it offers one, a forecast. The
feed of a zone keeps what is known; a slot takes the newest value that is in force when it begins, with its age.
"""
