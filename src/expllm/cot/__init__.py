"""Explanations in three headed parts: the offline writer, and the steps and loop of the Exp-CoT engine."""
