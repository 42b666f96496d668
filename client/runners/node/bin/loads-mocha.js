#!/usr/bin/env node
// SPDX-License-Identifier: MPL-2.0
// loads-mocha: one virtual user that executes Mocha tests, started by loads-runner and loads-agent.
'use strict'

const { parseArgs } = require('node:util')
const { version } = require('../package.json')

const USAGE = `Usage: loads-mocha [OPTION]... FILE...
Executes Mocha tests for a virtual user of Loads, and reports them and the HTTP
requests they make. It is started by loads-runner and loads-agent:

  loads-runner --test-runner 'loads-mocha {test}' test.js -u 10 --hits 20

By themselves, tests run under mocha.

  -g, --grep TEXT        only tests whose full title has this regular expression
  -r, --require MODULE   load this first; can be given several times
  -t, --timeout MSEC     of a test (2000); 0 is none
      --ui NAME          bdd (default), tdd, qunit or exports
      --help             show this and exit
      --version          show the version and exit

Exit status: 0 whatever the tests come to, 2 for mistakes, such as a file that
cannot be loaded.
`

const OPTIONS = {
  grep: { type: 'string', short: 'g' },
  require: { type: 'string', short: 'r', multiple: true },
  timeout: { type: 'string', short: 't' },
  ui: { type: 'string' },
  help: { type: 'boolean' },
  version: { type: 'boolean' }
}

function fail (text) {
  process.stderr.write(`loads-mocha: ${text}\n`)
  process.exit(2)
}

function read () {
  let read
  try {
    read = parseArgs({ options: OPTIONS, allowPositionals: true })
  } catch (error) {
    fail(`${error.message.split('.')[0]}; try --help`)
  }
  const { values, positionals } = read
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  if (values.version) {
    process.stdout.write(`loads-mocha ${version}\n`)
    process.exit(0)
  }
  if (positionals.length === 0) fail('no file is named; try --help')
  if (values.timeout !== undefined && !/^\d+$/.test(values.timeout)) {
    fail(`--timeout: '${values.timeout}' is not a number of milliseconds`)
  }
  if (!process.env.LOADS_ZMQ_RECEIVER) {
    fail('this is started by loads-runner and loads-agent; by themselves, tests run under mocha')
  }
  return { ...values, files: positionals }
}

require('../lib/run.js').run(read()).then(
  status => process.exit(status),
  error => {
    process.stderr.write(`${error.stack || error}\n`)
    process.exit(2)
  }
)
