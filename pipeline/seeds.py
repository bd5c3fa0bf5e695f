"""Seeds that are a pure function of what they are for, on every machine and in every run."""

import hashlib


def seed_of(*parts: object) -> int:
    """A seed of 63 bits from the text of the parts, for instance ``seed_of(0, "noise", step, position)``."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
