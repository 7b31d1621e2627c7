"""Models that recognise facial expressions, and models that generate them."""
