"""Evaluation reports: your figures beside the paper's tables, plots, and a gallery."""
