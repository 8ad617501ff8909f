"""How the speed of a server is measured; the figures are in README.md beside this file."""
