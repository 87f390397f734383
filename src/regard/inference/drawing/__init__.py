"""Images drawn from prompts: rectified flow, and the generator of a trained denoiser."""
