"""How does a person sign in with an account of an identity provider (OpenID Connect)?"""
