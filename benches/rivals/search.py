#!/usr/bin/env python3
"""Asks another search engine the same queries over the same packages.

usage: search.py fts5|xapian|milli|apt-cache CORPUS QUERIES WORK [LISTS]

CORPUS   a package a line: {"name", "summary", "tags", "description"}
QUERIES  a query a line: {"text"}
prints   {"build_s", "bytes"}, then for each query {"us", "hits"}: processor time, ten names

Ends with 3 when the engine is not installed. Each engine gets the schema and settings that did best
for it; milli runs with its default rules, as its wheel offers no others.
"""
import json, os, re, shutil, subprocess, sys, time

engine, corpus, queries, work = sys.argv[1:5]
packages = [json.loads(line) for line in open(corpus)]
cpu = time.process_time
words = lambda text: re.findall(r'[a-z0-9+]+', text.lower())
quoted = lambda text: '"' + text.replace('"', '') + '"'
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)


def fts5():
    """Exact name, then all words, then any; names by trigrams when the query looks like one."""
    import sqlite3
    db = sqlite3.connect(work + '/fts5.db')
    db.execute('create virtual table f using fts5(name, summary, tags, description,'
               ' tokenize="porter unicode61 remove_diacritics 2")')
    db.executemany('insert into f values(?,?,?,?)', (
        (p['name'], p['summary'], p['tags'], p['description']) for p in packages))
    db.execute("create virtual table g using fts5(name, tokenize='trigram')")
    db.executemany('insert into g values(?)', ((p['name'],) for p in packages))
    db.execute('create table n(name text primary key) without rowid')
    db.executemany('insert into n values(?)', ((p['name'],) for p in packages))
    db.execute("insert into f(f) values('optimize')")
    db.execute("insert into g(g) values('optimize')")
    db.commit()
    names = lambda sql, *values: [row[0] for row in db.execute(sql, values)]
    ranked = 'select name from f where f match ? order by bm25(f, 4, 2, 1, 1) limit 10'

    def search(text):
        asked, name = words(text), text.lower()
        if not asked:
            return []
        exact = names('select name from n where name = ?', name)
        found = names(ranked, ' AND '.join(map(quoted, asked)))
        if len(found) < 10:
            found += names(ranked, ' OR '.join(map(quoted, asked)))
        near = []
        if ' ' not in text:
            pieces = sorted({name[i:i + 3] for i in range(len(name) - 2)})
            if pieces:
                near = names('select name from g where g match ? order by bm25(g) limit 10',
                             ' OR '.join(map(quoted, pieces)))
        whole = [name for name in found if words(name) == asked] if near else []
        return list(dict.fromkeys(exact + whole + near + found))[:10]
    return search


def xapian():
    """Stemmed, with spelling correction; names count four times, summaries twice."""
    import xapian as x
    db = x.WritableDatabase(work + '/xapian', x.DB_CREATE_OR_OVERWRITE)
    stem, generator = x.Stem('en'), x.TermGenerator()
    generator.set_stemmer(stem)
    generator.set_database(db)
    generator.set_flags(x.TermGenerator.FLAG_SPELLING)
    for p in packages:
        document = x.Document()
        generator.set_document(document)
        for field, weight in (('name', 4), ('summary', 2), ('tags', 1), ('description', 1)):
            generator.index_text(p[field], weight)
            generator.increase_termpos()
        document.add_term('XN' + p['name'])
        document.set_data(p['name'])
        db.add_document(document)
    db.commit()
    db.close()
    db = x.Database(work + '/xapian')
    parser, enquire = x.QueryParser(), x.Enquire(db)
    parser.set_stemmer(stem)
    parser.set_stemming_strategy(x.QueryParser.STEM_SOME)
    parser.set_database(db)
    parser.set_default_op(x.Query.OP_OR)

    def search(text):
        flag = x.QueryParser.FLAG_SPELLING_CORRECTION
        query = parser.parse_query(' '.join(words(text)), flag)
        corrected = parser.get_corrected_query_string()
        if corrected:
            query = parser.parse_query(corrected.decode(), flag)
        exact = x.Query(x.Query.OP_SCALE_WEIGHT, x.Query('XN' + text.lower()), 100.0)
        enquire.set_query(x.Query(x.Query.OP_OR, query, exact))
        return [match.document.get_data().decode() for match in enquire.get_mset(0, 10)]
    return search


def milli():
    """The engine of Meilisearch."""
    import milli as m
    os.makedirs(work + '/milli')
    index = m.Index(work + '/milli', 8 << 30)
    index.add_documents([dict(p, id=at) for at, p in enumerate(packages)])
    return lambda text: [packages[int(at)]['name'] for at in index.search(text)[:10]]


def apt_cache():
    """What a Debian machine offers; a process for each query, on the clock."""
    global cpu
    if not shutil.which('apt-cache'):
        raise ImportError('apt-cache')
    cpu = time.time
    command = ['apt-cache', '-o', 'Dir::State::lists=' + sys.argv[5], '-o', 'Dir::Cache=' + work,
               '-o', 'Acquire::Languages=en', 'search', '--']

    def search(text):
        asked = [re.escape(word) for word in text.split()]
        output = subprocess.run(command + asked, capture_output=True, text=True).stdout
        names = (line.split(' - ')[0] for line in output.splitlines()[:10])
        return [name.replace('++', 'pp').replace('+', '-plus') for name in names]
    search('nothing')
    return search


began = time.process_time()
try:
    search = {'fts5': fts5, 'xapian': xapian, 'milli': milli, 'apt-cache': apt_cache}[engine]()
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)
blocks = (os.stat(os.path.join(folder, name)).st_blocks for folder, _, names in os.walk(work)
          for name in names)
print(json.dumps(dict(build_s=time.process_time() - began, bytes=512 * sum(blocks))))
for line in open(queries):
    text = json.loads(line)['text']
    start = cpu()
    hits = search(text)
    print(json.dumps(dict(us=(cpu() - start) * 1e6, hits=hits)))
