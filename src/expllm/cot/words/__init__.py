"""The parts of the offline writer, from the bottom up:

evidence, observations, phrases, frames, sentences, reading.
"""
