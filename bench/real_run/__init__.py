"""The paper's workflow on models of the real shapes with random weights, in a folder of its own (make real-shapes)."""
