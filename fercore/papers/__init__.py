"""The papers' apparatus: what they print, which runs stand beside it, what follows."""
