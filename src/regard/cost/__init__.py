"""What a configuration costs: parameters, FLOPs, memory, time and money, without training it."""
