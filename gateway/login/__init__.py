"""How people log in: the authorization endpoint, the page, the check of name, password and one-time password."""
