"""SimFER: rendered faces with seven expressions, in RAF-DB's layout, with the truth behind every image.

Synthetic, deterministic and free of licence: what it can and cannot show stands in data/README.md. The package imports
nothing of fercore; fercore reads what it writes.
"""
