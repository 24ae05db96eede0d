"""Claims and checks of a study as people read them: a sentence, one figure beside the paper's, a small picture."""
