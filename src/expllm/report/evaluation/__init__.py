"""A report of evaluations: the paper's tables with one's own figures beside them, plots, and a gallery."""
