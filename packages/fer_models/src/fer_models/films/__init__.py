"""Films and cameras: reading, following faces, writing."""
