"""What is done: every effect behind a port, and the pure engines that effects call."""
