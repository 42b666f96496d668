// SPDX-License-Identifier: MPL-2.0
// A reporter for Mocha that reports to Loads: each test is an iteration.
'use strict'

const { inspect } = require('node:util')

function isAssertion (error) {
  return error instanceof Error && (error.name === 'AssertionError' || error.code === 'ERR_ASSERTION')
}

function describe (error) {
  if (!(error instanceof Error)) return [inspect(error), typeof error, '']
  return [error.message, error.name, error.stack || '']
}

class Reporter {
  constructor (runner, { reporterOptions: { report, hits } }) {
    this.report = report
    this.hits = hits
    this.on = false // a test has begun, and it isn't known yet how it goes
    runner.on('test', test => this.begin(test))
    runner.on('pass', test => this.end('addSuccess'))
    runner.on('fail', (runnable, error) => this.fail(runnable, error))
  }

  begin (test) {
    this.report.test = test.fullTitle()
    if (!this.on) this.report.add('startTest')
    this.on = true
  }

  end (type, keys) {
    this.hits.settle()
    this.report.add(type, keys)
    this.report.add('stopTest')
    this.report.flush()
    this.on = false
  }

  fail (runnable, error) {
    const isTest = runnable.type === 'test'
    if (!this.on) this.begin(runnable) // a hook around all tests, or behind one that had passed
    this.end(isTest && isAssertion(error) ? 'addFailure' : 'addError', { exc_info: describe(error) })
  }
}

module.exports = { Reporter }
