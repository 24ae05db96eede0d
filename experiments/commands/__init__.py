"""What the commands of ``detabed`` do, one file a command."""
