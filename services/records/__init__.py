"""The records service: electronic health records 健康档案."""
