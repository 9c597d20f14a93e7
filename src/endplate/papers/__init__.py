"""What every printed paper shares: pages, drawings, charts and numbers in words.

``page`` renders templates into one self-contained HTML file, ``table`` holds tables, ``svg`` draws, ``chart``
has the parts of charts, ``png`` packs raster pictures, ``words`` writes numbers. None of it knows of spines.
"""
