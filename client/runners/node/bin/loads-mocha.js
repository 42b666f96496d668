#!/usr/bin/env node
// SPDX-License-Identifier: MPL-2.0
// loads-mocha: options, and what to say when it can't begin.
"use strict";

const { parseArgs } = require("node:util");
const { version } = require("../package.json");

const HELP = `Usage: loads-mocha [OPTION...] FILE[:TITLE]
Executes the Mocha tests of a file, as often as loads-runner says, and reports to it. TITLE is a part of
the full titles of the tests that are wanted. Started by loads-runner:

  loads-runner --test-runner 'loads-mocha {test}' test.js -u 5 --hits 10

Options
  -g, --grep REGEXP     Only tests whose full title matches.
  -r, --require MODULE  Load this first (again for more).
  -t, --timeout MS      How long a test or hook may take; 0: as long as it likes (2000).
  -u, --ui NAME         What tests are written in: bdd, tdd, qunit, exports (bdd).
  -h, --help            Show this help.
      --version         Show the version.
`;

const options = {
  grep: { type: "string", short: "g" },
  require: { type: "string", short: "r", multiple: true, default: [] },
  timeout: { type: "string", short: "t" },
  ui: { type: "string", short: "u" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
};

function die(text) {
  process.stderr.write(`loads-mocha: ${text}\n`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return die(error.message);
  }
}

function main() {
  const { values, positionals } = parse();
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.version) {
    process.stdout.write(`loads-mocha ${version}\n`);
    return;
  }
  if (positionals.length !== 1) {
    die("expected is one FILE, or FILE:TITLE; see loads-mocha --help");
  }
  if (values.timeout !== undefined && !/^\d+$/.test(values.timeout)) {
    die(`--timeout ${values.timeout}: expected are milliseconds`);
  }
  const { run, Refusal } = require("../lib/run");
  run(positionals[0], values).then(
    () => process.exit(0),
    // What didn't load is the author's: the stack says where. What we refuse says all by itself.
    (error) => die(error instanceof Refusal ? error.message : (error?.stack ?? String(error))),
  );
}

main();
