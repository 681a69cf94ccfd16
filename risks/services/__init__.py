"""Writes, and the only code that saves. Each act checks its rule and runs in one transaction with its event."""
