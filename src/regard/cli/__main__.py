"""``python -m regard.cli`` is the command ``regard``."""

from regard.cli import main

main()
