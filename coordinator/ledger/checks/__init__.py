"""Consistency checks between the documents of a ledger, computed apart from the code that wrote them. Pure.

One file for each subject: ``order`` (order and uniqueness), ``batteries``, ``readings``, ``transfers``, ``postings``,
``batches``, ``lines``, ``emissions``; ``columns`` has all of them for a virtual fleet's slots. ``facts`` holds what
they need of earlier entries; ``every`` runs them all.
"""
