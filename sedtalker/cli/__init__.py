"""The command line: one module a command, options in, files out."""
