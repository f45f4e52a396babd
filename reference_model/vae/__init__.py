"""Video-VAE, version 2: 17 frames of 16h x 16w pixels become 3 latent frames of h x w, and back."""
