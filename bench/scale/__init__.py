"""What each stage costs at three sizes and what breaks first: ``python -m bench.scale`` writes docs/scale.md."""
