"""Figures over saved answers, with their intervals: plain arithmetic on arrays."""
