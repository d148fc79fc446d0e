"""The vocabulary of the field: action units, expressions, records and conversations."""
