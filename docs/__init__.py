"""Documentation, and the generator of the parts that are made from the code."""
