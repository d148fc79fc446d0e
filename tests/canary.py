"""The key of every endpoint in the tests: it may be sent, and be written nowhere."""

CANARY = "sk-canary-6f1d2b9c4e7a"
