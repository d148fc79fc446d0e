"""The parts of the writer by rules, from the bottom up.

grammar, tables, observations, naming, sentences, reading. What it says stands in ``assets/words``: names of
movements, what they may mean with sources, and the frames of sentences.
"""
