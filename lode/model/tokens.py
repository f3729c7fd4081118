"""What one token of a prompt can be, and what stands for a token that is none of these. No torch here."""

#: The kinds of medium that a model can be shown.
MEDIA = ("image", "video", "audio")

#: What one token of a prompt can be; its code is its place here. Codes of what is none of these are negative:
TOKEN_KINDS = ("text", "special", *MEDIA)
PADDING, REPLY = -1, -2
#: The kind of token of a prompt that a token of a reply is like.
REPLY_KIND = TOKEN_KINDS.index("text")
