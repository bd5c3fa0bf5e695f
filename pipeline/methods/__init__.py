"""Controlled methods of sampling: ControlNet, prompt weighting, MultiDiffusion, guidance by attention."""
