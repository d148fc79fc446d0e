"""Checkpoints that come from the hub or go there: snapshots, imports, merged folders, uploads."""
