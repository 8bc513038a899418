"""source → landing → bronze: extraction of files and APIs, incremental, killable, nothing twice."""
