"""``python -m regard.cli`` is ``regard``."""

from regard.cli import main

main()
