"""Figures of the evaluation: CLIP scores, judges' verdicts, statistics over paired images."""
