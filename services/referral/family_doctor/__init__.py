"""The family doctor's contract 家庭医生签约: one at a time, renewed, with a package of services (docs/adr/0056)."""
