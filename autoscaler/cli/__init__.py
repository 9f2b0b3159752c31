"""The command line. Each module is one command; what a command does is imported when it runs, so that help is quick."""
