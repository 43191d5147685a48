"""The embedded servers: Temporal, NATS and a Kubernetes control plane as plain processes, and the agents on them.

`Stack` (in `run`) is what tests and the drill use; `firebreak up` is the same with a terminal around it.
"""
