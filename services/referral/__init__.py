"""The referral service: two-way referral 双向转诊."""
