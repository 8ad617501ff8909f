"""The story that `yiyang demo` plays: a nursing home, a clinic and a hospital of Wuhai care for one elder (docs/architecture.md)."""
