"""What ``python -m unet_tutorial`` can do: a module for each command, with its arguments and what it does.

A command's module has ``HELP``, one line; ``add_arguments(parser)``; and ``run(arguments)``, which returns the exit
status. It imports what takes long only in ``run``, so that the help comes at once.
"""
