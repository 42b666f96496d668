// SPDX-License-Identifier: MPL-2.0
// What tests may use: require('loads-mocha'). Under mocha alone it does nothing.
'use strict'

const index = {
  report: null,

  // One more for the counter of that name, which is shown at the end of the run.
  incrCounter (name) {
    if (index.report) index.report.add('incr_counter', { name })
  },

  // Which virtual user this is, and which execution of the tests, each from 1.
  get user () {
    return index.report ? index.report.user : 1
  },

  get hit () {
    return index.report ? index.report.hit : 1
  }
}

module.exports = index
