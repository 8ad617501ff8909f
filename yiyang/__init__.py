"""The command line of Yiyang, the only room above the gateway and the services: docs/architecture.md."""
