"""The autoscaler's side of Leadtime: the command line and the sandbox that the demo and the tests run on."""
