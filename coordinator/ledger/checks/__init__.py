"""Consistency checks between the documents of a ledger, computed apart from the code that wrote them. Pure.

One file an idea: ``order`` (what comes after what, and once), ``batteries``, ``readings``, ``transfers``, ``postings``,
``batches``, ``lines``, ``emissions``. ``facts`` holds what they need of earlier entries; ``every`` runs them all.
"""
