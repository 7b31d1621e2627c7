"""LightningModules: how networks are trained."""
