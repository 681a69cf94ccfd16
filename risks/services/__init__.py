"""Writes, and the only code that saves. Each act checks its rule and is one transaction with its event."""
