"""A language model as judge of explanations: rubric, run, scores."""
