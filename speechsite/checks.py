"""System checks: a bad setting is named together with its cure."""
