"""PostgreSQL 18 without installing one: docs/adr, https://www.postgresql.org/docs/18/server-start.html"""

from yiyang.postgres.cluster import Cluster, ClusterError

__all__ = ["Cluster", "ClusterError"]
