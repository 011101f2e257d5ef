"""Why a token was refused: one class per cause, each a 401 with its own code.

TokenRefused
├── TokenMissing        token_missing
├── TokenMalformed      token_malformed
├── TokenType           token_type
├── TokenKeyUnknown     token_key_unknown
├── TokenSignature      token_signature
├── TokenClaims         token_claims
├── TokenIssuer         token_issuer
├── TokenAudience       token_audience
├── TokenNotYetValid    token_not_yet_valid
├── TokenExpired        token_expired
├── TokenStartBy        token_start_by
└── TokenBinding        token_binding

No class takes a message: what was refused is never quoted.
"""


class TokenRefused(Exception):
    """Base of all; never raised itself."""

    code: str
    title: str


class TokenMissing(TokenRefused):
    code, title = "token_missing", "No upload token was sent"


class TokenMalformed(TokenRefused):
    code, title = "token_malformed", "This is not an upload token"


class TokenType(TokenRefused):
    code, title = "token_type", "This is a token of another kind"


class TokenKeyUnknown(TokenRefused):
    code, title = "token_key_unknown", "The token's key is not known here"


class TokenSignature(TokenRefused):
    code, title = "token_signature", "The token's signature does not verify"


class TokenClaims(TokenRefused):
    code, title = "token_claims", "The token's claims are incomplete or malformed"


class TokenIssuer(TokenRefused):
    code, title = "token_issuer", "The token comes from another issuer"


class TokenAudience(TokenRefused):
    code, title = "token_audience", "The token is meant for another service"


class TokenNotYetValid(TokenRefused):
    code, title = "token_not_yet_valid", "The token is not valid yet"


class TokenExpired(TokenRefused):
    code, title = "token_expired", "The token has expired"


class TokenStartBy(TokenRefused):
    code, title = "token_start_by", "The token was not used in time"


class TokenBinding(TokenRefused):
    code, title = "token_binding", "The token belongs to another browser"
