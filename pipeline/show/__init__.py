"""``sur show``: what a stage wrote, as lines in a terminal and as pictures that are drawn to be looked at."""
