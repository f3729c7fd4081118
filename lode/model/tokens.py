"""What one token of a prompt can be, and what stands for a token that is none of these. No torch here."""

#: The kinds of medium that a model can be shown.
MEDIA = ("image", "video", "audio")

#: What one token of a prompt can be; its code is its place here, and -1 that of padding.
TOKEN_KINDS = ("text", "special", *MEDIA)

#: The code of a token of the reply.
REPLY = len(TOKEN_KINDS)
