"""What the Runtime Guardian suspects, one suspicion per file; the folder is the list.

How sure a detector is, on its own: 0.8 and above only where hardly anything harmless looks like it, since one
alert then isolates a pod; 0.6 to 0.8 where closing one flow costs little if it was wrong; below that what
happens every day in a healthy cluster. Falco's maturity level is a measure of noise, and counts.
"""
