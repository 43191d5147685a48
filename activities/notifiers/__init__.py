"""One way to reach people in each file. Only `workers` wires them."""
