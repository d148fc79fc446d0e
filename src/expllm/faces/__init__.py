"""From pixels to action units: detectors, landmarks, readers, tables of other tools, the label from units."""
