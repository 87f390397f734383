"""How fast a configuration trains, decodes and generates on a device, compared with its matrix products."""
