"""Training in stages: recipes, the loop, checkpoints that survive, and what it says of itself."""
