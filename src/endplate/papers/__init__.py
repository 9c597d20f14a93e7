"""What every printed paper shares: pages, drawings, charts and numbers in words.

``page`` renders templates into one self-contained HTML file, ``table`` holds tables, ``svg`` draws, ``chart`` has
the axes and marks of charts, ``png`` packs raster pictures, ``words`` writes numbers. Nothing here knows of spines.
"""
