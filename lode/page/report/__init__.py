"""The sections of the report's page: tables in, rows for the template out.

``numbers``   how a number is written
``opening``   the first lines: the verdict on each set of each model
``clean``     the unmodified model: is there anything to lose, and how small a loss could be seen
``runs``      what each set costs in each run: content and stopping apart, beside the controls
``sets``      how large the sets are
``datasets``  what the data are
``record``    what was run: configs, versions, digests, figures

Beside most of them lies the template of the section; `page.html.jinja` puts them together, and
`lode/stages/build_report.py` reads the tables and fills them.
"""
