"""Explanations in three headed parts: the rule-based writer, and the steps and loop of the Exp-CoT engine."""
