"""Parts of the pages that a browser shows: curves, maps, bars and tables, and the frame around them.

A page is one file that asks for nothing: style, script, pictures and data are inside, and the
policy in its head admits nothing else. It reads with scripts switched off. All colors are named in
`page.css`, all text comes from the catalogs and stands there in every language.
"""
