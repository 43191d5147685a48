"""What is shipped: generated RBAC, custom resources, admission policies, server configuration, drills."""
