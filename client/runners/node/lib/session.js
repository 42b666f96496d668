// SPDX-License-Identifier: MPL-2.0
// One process is one virtual user in one cycle: what loads-runner told it, where it is, and what it
// reports. There is one of it, since hits are watched in the whole process.
"use strict";

const { Hits } = require("./hits");
const { Sender } = require("./sender");

const SETTLE_MSEC = 1000; // for answers to requests that no test waited for

function number(name, missing) {
  const text = process.env[name];
  if (text === undefined && missing !== undefined) {
    return missing;
  }
  const value = Number(text);
  if (!text || !(value >= 0)) {
    throw new Error(`${name} is ${text === undefined ? "missing" : `'${text}'`}: this is started by loads-runner`);
  }
  return value;
}

function text(name) {
  if (!process.env[name]) {
    throw new Error(`${name} is missing: this is started by loads-runner`);
  }
  return process.env[name];
}

class Session {
  static instance;

  static fromEnvironment() {
    return (Session.instance ??= new Session());
  }

  constructor() {
    const receiver = text("LOADS_ZMQ_RECEIVER");
    this.duration = number("LOADS_DURATION", 0);
    this.hits = number("LOADS_TOTAL_HITS", this.duration > 0 ? 0 : undefined);
    this.users = number("LOADS_TOTAL_USERS");
    this.user = number("LOADS_CURRENT_USER");
    this.execution = 0;
    this.current = null; // the test that is on
    this.sender = new Sender({ receiver, agentId: text("LOADS_AGENT_ID"), runId: text("LOADS_RUN_ID") });
    this.watched = new Hits(() => this.where(), (hit, where) => this.sendHit(hit, where));
    this.ended = false;
    process.once("SIGTERM", () => this.terminate());
    process.once("exit", () => this.leave());
  }

  nextExecution() {
    this.execution++;
  }

  where() {
    return { test: this.current?.test, loads_status: [this.hits, this.users, this.execution, this.user] };
  }

  start(test) {
    this.current = { test };
    this.current = this.where();
    this.sender.send("startTest", this.current);
  }

  stop(outcome, error) {
    if (outcome) {
      this.sender.send(outcome, error ? { ...this.current, exc_info: error } : this.current);
    }
    this.sender.send("stopTest", this.current);
    this.current = null;
    this.sender.flush();
  }

  sendHit(hit, where) {
    this.sender.send("add_hit", { ...where, ...hit, started: hit.started.toISOString() });
  }

  // Everything has arrived, or will while the process ends.
  async end() {
    await this.watched.settle(SETTLE_MSEC);
    this.ended = true;
    await this.sender.close();
  }

  // Whoever ends us gets what was gathered.
  terminate() {
    this.ended = true;
    this.sender.close().then(() => process.exit(143));
  }

  // The process ends before it is done: a test called process.exit(), say.
  leave() {
    if (this.ended) {
      return;
    }
    const sent = this.sender.closeNow();
    if (!sent && !process.exitCode) {
      process.exitCode = 1;
    }
  }
}

module.exports = { Session };
