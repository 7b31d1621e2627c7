"""FER2013 and faces: reading, cropping, augmenting, batching."""
