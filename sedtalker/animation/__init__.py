"""From speech features and an emotion track to the motion of a face."""
