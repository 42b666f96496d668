// SPDX-License-Identifier: MPL-2.0
// The life of a virtual user: its tests, again and again.
'use strict'

const path = require('node:path')
const Mocha = require('mocha')
const { Hits } = require('./hits.js')
const { Report } = require('./report.js')
const { Reporter } = require('./reporter.js')
const index = require('./index.js')

async function load (mocha, options) {
  for (const name of options.require || []) {
    require(name.startsWith('.') ? path.resolve(name) : require.resolve(name, { paths: [process.cwd()] }))
  }
  for (const file of options.files) mocha.addFile(path.resolve(file))
  await mocha.loadFilesAsync()
}

function once (mocha) {
  return new Promise(resolve => mocha.run(resolve))
}

// The exit status.
async function run (options) {
  const begun = performance.now()
  const duration = Number(process.env.LOADS_DURATION || 0) * 1000
  const report = new Report()
  const hits = new Hits((type, keys) => report.add(type, keys))
  const mocha = new Mocha({
    ui: options.ui,
    grep: options.grep,
    timeout: options.timeout === undefined ? undefined : Number(options.timeout),
    reporter: Reporter,
    reporterOptions: { report, hits }
  }).cleanReferencesAfterRun(false)
  let stopping = false

  index.report = report
  process.once('SIGTERM', () => {
    stopping = true
    report.close().finally(() => process.exit(0)) // what is on is interrupted, and counted by who does it
  })
  await load(mocha, options)
  if (mocha.suite.total() === 0) {
    process.stderr.write(`loads-mocha: there is no test in ${options.files.join(', ')}\n`)
    return 2
  }
  while (!stopping && (duration > 0 ? performance.now() - begun < duration : report.hit < report.hits)) {
    report.hit++
    await once(mocha)
  }
  await report.close()
  return 0
}

module.exports = { run }
