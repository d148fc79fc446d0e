"""Videos: faces are followed, measured frame by frame, and explained over time.

Above `predict`: nothing below knows of time.
"""
