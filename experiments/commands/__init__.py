"""The commands of ``detabed``, one file a command; ``experiments.cli`` lists them and imports a file when its command
is called."""
