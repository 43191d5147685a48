"""One real node beside the embedded control plane: kubelet, containers, and NetworkPolicies that are enforced.

It lives in network, mount, pid, ipc and uts namespaces of its own, without a default route. `keeper` makes them
and is the one whose end ends everything; `inside` is the node's pid 1; `link` carries connections between the
node and the API server, which stays outside.
"""
