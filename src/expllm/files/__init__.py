"""Files in and out: images, downloads, tables, atomic writes, run folders, weights, settings, progress."""
