"""What is to be done about a cluster, decided from what was observed. Pure."""
