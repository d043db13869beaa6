"""A report as PyPI's readers have it, one JSON text: a list of cases by each; and by Jenkins' schema.

read.py REPORT SCHEMA      {"junitparser": [{"suite", "class", "name", "status", "message"}], …}

SCHEMA is junit-10.xsd of Jenkins' xunit plugin. It has no attribute `file` of a case, which GitLab and the two actions
of GitHub need; Jenkins' own junit step does not ask the schema, and does not mind. So it is held against the report as
it is, where that must be all that it minds, and against the report without that attribute, where it must mind nothing.
"""

import json
import sys

import xmlschema
import xunitparser
from junitparser import Error, Failure, JUnitXml, Skipped
from lxml import etree

WORDS = {Failure: "failure", Error: "error", Skipped: "skipped"}


def by_junitparser(path):
    cases = []
    for suite in JUnitXml.fromfile(path):
        count = 0
        for case in suite:
            assert len(case.result) <= 1, case.name
            count += 1
            status = WORDS[type(case.result[0])] if case.result else "passed"
            message = case.result[0].message if case.result else ""
            cases.append(of(suite.name, case.classname, case.name, status, message))
        assert count == suite.tests, suite.name
    return cases


def by_xunitparser(path):
    with open(path, encoding="utf-8") as file:
        suites, _ = xunitparser.parse(file)
    words = {"success": "passed", "failure": "failure", "error": "error", "skipped": "skipped"}
    return [of(suite.name, case.classname, case.methodname, words[case.result], case.message or "") for suite in suites for case in suite]


def by_lxml(path):
    """The elements themselves, by libxml2, which is what GitLab's parser is built on."""
    root = etree.parse(path, etree.XMLParser(resolve_entities=False, huge_tree=True)).getroot()
    cases = []
    for suite in root.findall("testsuite"):
        counts = dict.fromkeys(("failure", "error", "skipped"), 0)
        for case in suite.findall("testcase"):
            faults = [child for child in case if child.tag in counts]
            assert len(faults) <= 1, case.get("name")
            status = faults[0].tag if faults else "passed"
            message = faults[0].get("message") if faults else ""
            # GitLab shows the text, and drops a message that is an attribute only.
            assert not faults or faults[0].text.startswith(message), case.get("name")
            assert len(case.findall("system-out")) <= 1, case.get("name")
            if faults:
                counts[status] += 1
            cases.append(of(suite.get("name"), case.get("classname"), case.get("name"), status, message))
        for name, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert counts[name] == int(suite.get(key)), (suite.get("name"), key)
        assert len(suite.findall("testcase")) == int(suite.get("tests"))
    return cases


def schema_minds(path, schema):
    """What the schema minds of the report but the one attribute."""
    tree = etree.parse(path, etree.XMLParser(resolve_entities=False, huge_tree=True))
    by_libxml = etree.XMLSchema(file=schema)
    by_libxml.validate(tree)
    minded = [entry.message for entry in by_libxml.error_log if "attribute 'file'" not in entry.message]
    for case in tree.iter("testcase"):
        case.attrib.pop("file", None)
    if not by_libxml.validate(tree):
        minded += [str(entry) for entry in by_libxml.error_log]
    minded += [str(error.reason) for error in xmlschema.XMLSchema(schema).iter_errors(tree)]
    return minded


def of(suite, name_of_class, name, status, message):
    return {"suite": suite, "class": name_of_class, "name": name, "status": status, "message": message}


report, schema = sys.argv[1:]
print(
    json.dumps(
        {
            "cases": {
                "junitparser": by_junitparser(report),
                "xunitparser": by_xunitparser(report),
                "lxml": by_lxml(report),
            },
            "minded": schema_minds(report, schema),
        }
    )
)
