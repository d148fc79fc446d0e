"""How good answers are: figures, their intervals, calibration, agreement, and plots of them."""
