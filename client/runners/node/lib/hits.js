// SPDX-License-Identifier: MPL-2.0
// HTTP exchanges of this process, by fetch() and by node:http, as Node itself tells of them. Each hop of a redirect
// is one. Its time ends with the answer's last byte, or, of an answer whose body nobody reads, with its head.
'use strict'

const channels = require('node:diagnostics_channel')

class Hits {
  constructor (tell) {
    this.tell = tell
    this.open = new Map() // request: its hit
    this.on('undici:request:create', ({ request }) => {
      this.begin(request, request.method, `${request.origin}${request.path}`)
    })
    this.on('undici:request:headers', ({ request, response }) => this.head(request, response.statusCode))
    this.on('undici:request:trailers', ({ request }) => this.end(request))
    this.on('undici:request:error', ({ request }) => this.open.delete(request))
    this.on('http.client.request.start', ({ request }) => {
      const url = new URL(request.path, `${request.protocol}//${request.getHeader('host') || request.host}`)
      this.begin(request, request.method, url.href)
      request.once('error', () => this.open.delete(request))
    })
    this.on('http.client.response.finish', ({ request, response }) => {
      this.head(request, response.statusCode)
      response.once('end', () => this.end(request))
      response.once('close', () => this.end(request))
    })
  }

  on (name, listener) {
    channels.subscribe(name, listener)
  }

  begin (request, method, url) {
    this.open.set(request, { method, url, started: new Date().toISOString(), begun: performance.now() })
  }

  head (request, status) {
    const hit = this.open.get(request)
    if (hit) {
      hit.status = status
      hit.elapsed = (performance.now() - hit.begun) / 1000
    }
  }

  end (request) {
    const hit = this.open.get(request)
    if (!hit || hit.status === undefined) return
    this.open.delete(request)
    this.report(hit, (performance.now() - hit.begun) / 1000)
  }

  report ({ method, url, status, started }, elapsed) {
    this.tell('add_hit', { method, url, status, started, elapsed })
  }

  // A test is over: what it doesn't read to the end has its head's time.
  settle () {
    for (const [request, hit] of this.open) {
      if (hit.status !== undefined) {
        this.open.delete(request)
        this.report(hit, hit.elapsed)
      }
    }
  }
}

module.exports = { Hits }
