"""Azure Resource Manager: the front door, the answers that all share, and one module for each resource provider."""
