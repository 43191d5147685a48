"""The pure engines: given objects, they answer; they read nothing and write nothing."""
