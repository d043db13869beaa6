// A report as npm's readers have it, one JSON text: a list of cases by each.
//
// read.mjs REPORT      {"junit2json": [{"suite", "class", "name", "status", "message", "file", "line"}], …}
//
// xml2js is what dorny/test-reporter reads with, xml-js what mikepenz/action-junit-report reads with; both actions are
// not on npm, so what they make of the parsers' objects is said here again: which element is which status, and where
// they find a line.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parse as junit2json } from 'junit2json';
import xmlJs from 'xml-js';
import { parseStringPromise } from 'xml2js';

const testResults = createRequire(import.meta.url)('test-results-parser');
const path = process.argv[2];
const text = readFileSync(path, 'utf8');

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

/** junit2json: a library that types what xml2js gives. */
async function byJunit2json() {
    const report = await junit2json(text, {});
    return report.testsuite.flatMap((suite) =>
        suite.testcase.map((one) => {
            const status = ['failure', 'error', 'skipped'].find((name) => one[name]) ?? 'passed';
            const message = status === 'passed' ? '' : one[status][0].message;
            return { suite: suite.name, class: one.classname, name: one.name, status, message };
        }),
    );
}

/** dorny/test-reporter: failure and error are failed; the line is that of a stack whose file is tracked. */
async function byTestReporter() {
    const report = await parseStringPromise(text);
    return report.testsuites.testsuite.flatMap((suite) =>
        suite.testcase.map((one) => {
            const status = one.failure || one.error ? 'failed' : one.skipped ? 'skipped' : 'passed';
            const fault = (one.failure ?? one.error ?? [])[0];
            const at = (fault?._ ?? '').split(/\r?\n/).map((line) => line.match(/^\s*at (.*)\((.*):(\d+)\)$/));
            const line = at.find((match) => match !== null)?.[3];
            const message = fault?.$.message ?? '';
            return { suite: suite.$.name.trim(), class: one.$.classname, name: one.$.name.trim(), status, message, line };
        }),
    );
}

/** mikepenz/action-junit-report: failure and error are failed; the line is the last FILE:N of the text. */
function byActionJunitReport() {
    const report = JSON.parse(xmlJs.xml2json(text, { compact: true }));
    return list(report.testsuites.testsuite).flatMap((suite) =>
        list(suite.testcase).map((one) => {
            const fault = one.failure ?? one.error;
            const status = fault ? 'failed' : one.skipped ? 'skipped' : 'passed';
            const stack = (fault?._cdata ?? fault?._text ?? '').toString();
            const file = one._attributes.file;
            const escaped = (file ?? '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
            const found = file && stack.match(new RegExp(` [^ ]*${escaped}.*?:\\d+`, 'g'));
            const line = found?.at(-1).split(':').at(-1);
            const { name, classname } = one._attributes;
            const message = fault?._attributes.message ?? '';
            return { suite: suite._attributes.name, class: classname, name, status, message, file, line };
        }),
    );
}

/** test-results-parser: of testbeats, on fast-xml-parser. It knows no classes, and calls what has an error failed. */
function byTestResultsParser() {
    const report = testResults.parse({ type: 'junit', files: [path] });
    const words = { PASS: 'passed', FAIL: 'failed', SKIP: 'skipped' };
    return report.suites.flatMap((suite) =>
        suite.cases.map((one) => ({
            suite: suite.name,
            name: one.name,
            status: words[one.status],
            message: one.failure ?? '',
            counts: [suite.total + suite.skipped, suite.failed, suite.errors, suite.skipped],
        })),
    );
}

console.log(
    JSON.stringify({
        junit2json: await byJunit2json(),
        'dorny/test-reporter': await byTestReporter(),
        'mikepenz/action-junit-report': byActionJunitReport(),
        'test-results-parser': byTestResultsParser(),
    }),
);
