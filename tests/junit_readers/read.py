"""A report as PyPI's readers have it, one JSON text: a list of cases by each; and what Jenkins' schemas mind of it.

read.py REPORT SCHEMAS      {"cases": {"junitparser": [{"suite", "class", "name", "status", "message"}], …}, "minded": []}

SCHEMAS is a folder with two versions of junit-10.xsd of Jenkins' xunit plugin. One knows attempts (flakyFailure and its
like) and no attribute `file` of a case, the other the attribute and no attempts. GitLab and the two actions of GitHub need
the attribute; Jenkins' own junit step asks no schema. So each version gets the report without what only the other knows.
"""

import json
import os
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
    """One list: it does not keep suites apart."""
    with open(path, encoding="utf-8") as file:
        cases, _ = xunitparser.parse(file)
    words = {"success": "passed", "failure": "failure", "error": "error", "skipped": "skipped"}
    return [of(None, case.classname, case.methodname, words[case.result], case.message or "") for case in cases]


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


ATTEMPTS = ("flakyFailure", "flakyError", "rerunFailure", "rerunError")
# By the commits of the plugin that they are of.
WITH_ATTEMPTS = "ae25da5089d4f94ac6c4669bf736e4d416cc4665/junit-10.xsd"
WITH_FILE = "14c6e39c38408b9ed6280361484a13c6f5becca7/junit-10.xsd"

# A schema in Python takes minutes for half a million cases; libxml2's, in C, seconds.
SLOW_ABOVE = 5_000_000


def schemas_mind(path, folder):
    minded = []
    for schema in (WITH_ATTEMPTS, WITH_FILE):
        tree = etree.parse(path, etree.XMLParser(resolve_entities=False, huge_tree=True))
        for case in tree.iter("testcase"):
            if schema == WITH_ATTEMPTS:
                case.attrib.pop("file", None)
            for attempt in [child for child in case if child.tag in ATTEMPTS and schema == WITH_FILE]:
                case.remove(attempt)
        by_libxml = etree.XMLSchema(file=os.path.join(folder, schema))
        if not by_libxml.validate(tree):
            minded += [str(entry) for entry in by_libxml.error_log]
        if os.path.getsize(path) < SLOW_ABOVE:
            by_xmlschema = xmlschema.XMLSchema(os.path.join(folder, schema))
            minded += [str(error.reason) for error in by_xmlschema.iter_errors(tree)]
    return minded


def of(suite, name_of_class, name, status, message):
    return {"suite": suite, "class": name_of_class, "name": name, "status": status, "message": message}


report, schemas = sys.argv[1:]
print(
    json.dumps(
        {
            "cases": {
                "junitparser": by_junitparser(report),
                "xunitparser": by_xunitparser(report),
                "lxml": by_lxml(report),
            },
            "minded": schemas_mind(report, schemas),
        }
    )
)
