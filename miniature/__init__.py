"""The embedded default: a small drawn world, its language, its oracle, its web sites and its trained models."""
