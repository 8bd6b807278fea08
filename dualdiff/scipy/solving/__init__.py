"""What all solvers share: functions stripped of tangents, called once more at the solution, and Newton's step there."""
