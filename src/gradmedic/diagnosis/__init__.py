"""What a recording says: findings by rules, the cause first."""
