"""From a snapshot to the bytes that Prometheus reads.

Read in this order:

1. `family`: what one metric family is made of, and the shapes that its samples have;
2. `runner_families`, `target_families`, `process_families`: the families, and what they read;
3. `table`: all of them, in the order of the exposition, as the settings thin them out;
4. `formats`, `lines`: the two formats, and how the lines of a family are written in them;
5. `fragments`: what is kept of every runner, so that only what changed is written anew;
6. `exposition`: the whole, piece by piece; `scrape`: one at a time, in a thread, compressed;
7. `reference`: the table as documentation.
"""
