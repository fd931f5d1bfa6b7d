"""kie.ai's market tasks, spoken by us: envelope, tasks, callbacks and uploads."""
