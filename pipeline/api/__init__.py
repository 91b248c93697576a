"""The public Python API: functions over models and data as they are at hand. `import pipeline` gives them all."""
