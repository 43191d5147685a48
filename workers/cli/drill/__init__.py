"""A recorded attack played through a running stack, on real pods, with what it shows checked as it goes."""
