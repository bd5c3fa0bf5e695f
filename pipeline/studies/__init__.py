"""Studies: sets of DVC experiments that one command runs and lays out as a table, a chart and sentences."""
