"""What trains networks, beside the tasks."""
