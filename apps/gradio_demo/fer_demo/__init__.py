"""The browser demo, one file a tab. All work is done by ``fer_models``."""
