"""What the app was told: settings, clouds, schedules."""
