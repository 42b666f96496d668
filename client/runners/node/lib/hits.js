// SPDX-License-Identifier: MPL-2.0
// Hits: what this process asks of servers by fetch() and by http and https, whoever asks. Nothing of
// either is replaced: undici and http publish what they do (diagnostics_channel). One thing is missing
// there, when a request of http was made: so these functions are wrapped, to look at the clock.
//
// A hit is a request whose answer is complete. For http that is when null is pushed into the response,
// which happens whether anybody reads it or not; its events would need a reader.
"use strict";

const channels = require("node:diagnostics_channel");
const http = require("node:http");
const https = require("node:https");
const { syncBuiltinESMExports } = require("node:module");

// Redirects, and requests of any library, are requests of their own here. `onBegin()` gives what goes
// back as the hit's `context`.
class Hits {
  constructor(onBegin, onHit) {
    this.onBegin = onBegin;
    this.onHit = onHit;
    this.begun = new WeakMap(); // request: what is known of it
    this.open = new Set(); // what waits for its answer
    this.waiting = [];
    this.watchFetch();
    this.watchHttp();
  }

  begin(request) {
    const record = { started: new Date(), at: performance.now(), context: this.onBegin() };
    this.begun.set(request, record);
    this.open.add(record);
    return record;
  }

  end(record, hit) {
    if (!record || !this.open.delete(record)) {
      return;
    }
    if (hit) {
      this.onHit({ ...hit, started: record.started, elapsed: (performance.now() - record.at) / 1000 }, record.context);
    }
    if (this.open.size === 0) {
      this.waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  // When no request is open any more, or that time is over.
  async settle(msec) {
    if (this.open.size === 0) {
      return;
    }
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, msec);
    });
    await Promise.race([late, new Promise((resolve) => this.waiting.push(resolve))]);
    clearTimeout(timer);
  }

  watchFetch() {
    const subscribe = (name, handle) => channels.subscribe(`undici:request:${name}`, handle);

    subscribe("create", ({ request }) => {
      this.begin(request);
    });
    subscribe("headers", ({ request, response }) => {
      const record = this.begun.get(request);
      if (record) {
        record.status = response.statusCode;
      }
    });
    subscribe("trailers", ({ request }) => {
      const record = this.begun.get(request);
      this.end(record, record && {
        url: `${String(request.origin).replace(/\/$/, "")}${request.path}`,
        method: request.method,
        status: record.status,
      });
    });
    subscribe("error", ({ request }) => this.end(this.begun.get(request)));
  }

  watchHttp() {
    for (const module of [http, https]) {
      for (const name of ["request", "get"]) {
        this.wrap(module, name);
      }
    }
    syncBuiltinESMExports();
    // One that was made by other means is known from here on.
    channels.subscribe("http.client.request.start", ({ request }) => this.beginHttp(request));
    channels.subscribe("http.client.response.finish", ({ request, response }) => this.answered(request, response));
  }

  wrap(module, name) {
    const original = module[name];
    const hits = this;
    module[name] = function (...values) {
      const request = original.apply(this, values);
      hits.beginHttp(request);
      return request;
    };
    Object.defineProperty(module[name], "name", { value: name });
  }

  beginHttp(request) {
    if (!this.begun.has(request)) {
      const record = this.begin(request);
      request.once("close", () => this.end(record)); // by now without its answer
    }
  }

  answered(request, response) {
    const record = this.begun.get(request);
    const push = response.push;
    response.push = (chunk, ...rest) => {
      if (chunk === null && response.complete) {
        this.end(record, { url: urlOf(request), method: request.method, status: response.statusCode });
      }
      return push.call(response, chunk, ...rest);
    };
  }
}

// The path is a whole URL when it goes to a proxy.
function urlOf(request) {
  const host = request.getHeader("host") ?? request.host;
  return /^https?:/.test(request.path) ? request.path : `${request.protocol}//${host}${request.path}`;
}

module.exports = { Hits };
