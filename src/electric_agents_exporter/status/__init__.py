"""What is said to people of targets and runners: pages, their JSON and the terminal read it."""
