// SPDX-License-Identifier: MPL-2.0
// What a virtual user does, told to Loads: loads-external-runner(7). A batch lists messages by their type, so it
// keeps the order of events only while it has one test: it is sent at each test's end.
'use strict'

const zmq = require('zeromq')

const FLUSH_MSEC = 100
const MAX_MESSAGES = 500

class Report {
  constructor () {
    const { env } = process
    this.run = { agent_id: env.LOADS_AGENT_ID, run_id: env.LOADS_RUN_ID }
    this.hits = Number(env.LOADS_TOTAL_HITS || 0)
    this.users = Number(env.LOADS_TOTAL_USERS)
    this.user = Number(env.LOADS_CURRENT_USER)
    this.hit = 0
    this.test = ''
    this.counts = {}
    this.waiting = 0
    this.sent = Promise.resolve()
    this.socket = new zmq.Push({ linger: -1 })
    this.socket.connect(env.LOADS_ZMQ_RECEIVER)
    setInterval(() => this.flush(), FLUSH_MSEC).unref()
  }

  add (type, keys = {}) {
    const message = { test: this.test, loads_status: [this.hits, this.users, this.hit, this.user], ...keys }
    this.counts[type] = this.counts[type] || []
    this.counts[type].push(message)
    if (++this.waiting >= MAX_MESSAGES) this.flush()
  }

  // One after the other: a socket takes one message at a time.
  flush () {
    if (this.waiting === 0) return
    const batch = JSON.stringify({ data_type: 'batch', ...this.run, counts: this.counts })
    this.counts = {}
    this.waiting = 0
    this.sent = this.sent.then(() => this.socket.send(batch))
  }

  // Resolves when all is on its way; the process waits at its exit until it has arrived.
  async close () {
    this.flush()
    await this.sent
    this.socket.close()
  }
}

module.exports = { Report }
