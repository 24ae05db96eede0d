"""What the documents of a ledger must say of each other, computed apart from the code that wrote them. Pure.

One file an idea: ``order`` (what comes after what, and once), ``batteries``, ``readings``, ``transfers``, ``postings``,
``batches``, ``lines``, ``emissions``. ``facts`` is what they read of earlier entries; ``every`` runs them all.
"""
